-- Records that all records were played.
update oprun.shadow set finished_at = clock_timestamp()
