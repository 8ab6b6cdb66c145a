// Package promtest holds what deploy/ tells Prometheus and Grafana to what consumers really expose: promtool and a real
// Prometheus judge the configuration, rules, alerts and dashboard on two running consumers, and every alert has its tests and
// its section in the run book. It has tests and no code.
package promtest
