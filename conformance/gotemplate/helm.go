package main

import (
	"context"
	"text/template"
	_ "unsafe" // for the link to what Helm keeps to itself

	"helm.sh/helm/v4/pkg/engine"
)

// initFunMap gives templates Helm's functions, as Helm's engine does before it renders a chart.
//
//go:linkname initFunMap helm.sh/helm/v4/pkg/engine.Engine.initFunMap
func initFunMap(e engine.Engine, ctx context.Context, t *template.Template)

func helmFunctions(root *template.Template) {
	initFunMap(engine.Engine{}, context.Background(), root)
}
