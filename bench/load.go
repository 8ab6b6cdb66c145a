package main

// load is a worker under a load that its caller says, with what may be in its database already. It is in no table of
// its own: grow and soak use it.
func load() scenario {
	return scenario{name: "load", contestants: []contestant{
		{name: "oprun", prepare: oprunEmpty, parts: []part{watched(oprunWatched), oprunPaced}},
		{name: soakName, prepare: soakPrepare, parts: []part{soakWork, oprunPaced}},
	}}
}
