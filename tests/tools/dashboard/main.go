// SPDX-License-Identifier: Apache-2.0

// dashboard FILE: whether Grafana would take the dashboard, and show it as it is meant: all of it is known to
// Grafana's schema, of the kinds of panels and queries that are used here, and panels have numbers of their own,
// places that do not overlap, and queries of the data source that the user chooses.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

const (
	columns    = 24 // of Grafana's grid
	datasource = "${datasource}"
)

var problems int

func problem(format string, args ...any) {
	problems++
	fmt.Printf(format+"\n", args...)
}

// What the schema finds; the library may have a list without entries for nothing.
func told(err error) {
	if err != nil && err.Error() != "" {
		problem("%v", err)
	}
}

// The kinds that are registered: options of others would be taken unseen.
var kinds = map[string]bool{}

func register() {
	runtime := cog.NewRuntime()
	for _, kind := range []variants.PanelcfgConfig{
		stat.VariantConfig(), table.VariantConfig(), timeseries.VariantConfig(),
	} {
		runtime.RegisterPanelcfgVariant(kind)
		kinds[kind.Identifier] = true
	}
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
}

func overlap(a, b *dashboard.GridPos) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

func checkPanel(p *dashboard.Panel, before []*dashboard.Panel) {
	title := "without a title"
	if p.Title != nil {
		title = *p.Title
	}
	if !kinds[p.Type] {
		problem("panel %q: kind %q is not one of those that are checked", title, p.Type)
	}
	if p.Id == nil || p.GridPos == nil {
		problem("panel %q: has no id, or no place", title)
		return
	}
	if p.GridPos.W == 0 || p.GridPos.H == 0 || p.GridPos.X+p.GridPos.W > columns {
		problem("panel %q: is not within %d columns", title, columns)
	}
	for _, q := range before {
		if *p.Id == *q.Id {
			problem("panel %q: its id %d is taken", title, *p.Id)
		}
		if overlap(p.GridPos, q.GridPos) {
			problem("panel %q: is in the place of %q", title, *q.Title)
		}
	}
	if p.Datasource == nil || p.Datasource.Uid == nil || *p.Datasource.Uid != datasource {
		problem("panel %q: asks another data source than the chosen one", title)
	}
	for _, target := range p.Targets {
		if query, ok := target.(*prometheus.Dataquery); !ok || query.Expr == "" {
			problem("panel %q: a target is no query of Prometheus", title)
		}
	}
}

func check(d *dashboard.Dashboard) {
	var panels []*dashboard.Panel
	for _, p := range d.Panels {
		if p.Panel == nil {
			problem("a row: they are not looked into")
			continue
		}
		checkPanel(p.Panel, panels)
		panels = append(panels, p.Panel)
	}
	for _, v := range d.Templating.List {
		if v.Type == dashboard.VariableTypeDatasource && datasource == "${"+v.Name+"}" {
			return
		}
	}
	problem("there is no variable for %s", datasource)
}

func main() {
	register()
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var strict, d dashboard.Dashboard
	told(strict.UnmarshalJSONStrict(text)) // and leaves panels out whose list is empty
	told(json.Unmarshal(text, &d))
	told(d.Validate())
	check(&d)
	if problems > 0 {
		os.Exit(1)
	}
}
