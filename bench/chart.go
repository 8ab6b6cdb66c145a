package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed chart.svg.tmpl
var chartText string

// The chart's measures, in its own units.
const (
	chartWidth = 760
	chartLeft  = 240 // where bars begin
	chartBars  = 420 // the longest
	chartThick = 16
	chartStep  = 22 // from bar to bar
	chartGap   = 30 // between groups
)

// chart is what the template draws: a group of bars for each scenario about throughput. It follows the reader's choice of
// light or dark, which no plotting library's files do.
type chart struct {
	Width, Height, Left, Thick, NoteY int
	Note                              string
	Groups                            []chartGroup
}

type chartGroup struct {
	Title string
	Y     int
	Bars  []chartBar
}

type chartBar struct {
	Name, Class, Value string
	Y, TextY           int
	Width, ValueX      float64
}

// draw makes the chart. The same results give the same bytes.
func (r results) draw() (string, error) {
	c := chart{Width: chartWidth, Left: chartLeft, Thick: chartThick}
	y := 16
	for _, s := range r.scenarios {
		if s.columns != nil {
			continue
		}
		group := r.group(s, y)
		c.Groups = append(c.Groups, group)
		y = group.Bars[len(group.Bars)-1].Y + chartThick + chartGap
	}
	c.NoteY, c.Height = y, y+8
	c.Note = fmt.Sprintf("jobs/s; bars are to scale within a task; medians of %d rounds, %s, %s", len(r.rounds), r.machine.hardware, r.machine.date)
	parsed, err := template.New("chart").Parse(chartText)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = parsed.Execute(&b, c)
	return b.String(), err
}

// group places a scenario's bars below its title, the longest at full length.
func (r results) group(s scenario, y int) chartGroup {
	group := chartGroup{Title: s.title, Y: y}
	longest := 0.0
	for _, c := range s.systems() {
		longest = max(longest, median(each(r.of(s, c), rate)))
	}
	for i, c := range s.systems() {
		value := median(each(r.of(s, c), rate))
		bar := chartBar{Name: c.name, Class: "theirs", Value: number(value), Y: y + 10 + i*chartStep, Width: chartBars * value / longest}
		if strings.HasPrefix(c.name, "oprun") {
			bar.Class = "ours"
		}
		bar.TextY, bar.ValueX = bar.Y+13, chartLeft+bar.Width+6
		group.Bars = append(group.Bars, bar)
	}
	return group
}

// writeChart draws the chart into the documentation.
func (r results) writeChart(root string) error {
	svg, err := r.draw()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "docs", "performance.svg"), []byte(svg), 0o644) //nolint:gosec // a picture, for all to see
}
