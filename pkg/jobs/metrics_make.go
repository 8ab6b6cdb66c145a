package jobs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const namespace = "oprun"

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func timestamp(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

// described is a metric whose values are read when they are asked for.
func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// histograms are classic ones, in these buckets, and native ones, whose buckets are a tenth wide each. One that comes to have
// many of those makes them wider, and is never reset: its count stays that of the counters beside it (I12).
func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
	}, labels)
}

// timing is one series of a histogram of seconds, which may point to traces.
type timing struct {
	prometheus.Observer
	prometheus.ExemplarObserver
}

func timingOf(h *prometheus.HistogramVec, labels ...string) timing {
	series := h.WithLabelValues(labels...)
	exemplars, _ := series.(prometheus.ExemplarObserver) // every histogram is one
	return timing{series, exemplars}
}

// observe takes a time in, and the job's trace as its exemplar when somebody records that trace.
func (t timing) observe(d time.Duration, traceParent string) {
	trace := recordedTrace(traceParent)
	if trace == "" {
		t.Observe(d.Seconds())
		return
	}
	t.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": trace})
}

// recordedTrace returns the trace id of a traceparent, whose shape the codec has seen to, if its sampled flag is set; else
// "". (https://www.w3.org/TR/trace-context/ §3.2)
func recordedTrace(traceParent string) string {
	const length, lastFlag, id, idEnd = 55, 54, 3, 35
	if len(traceParent) < length {
		return ""
	}
	switch traceParent[lastFlag] { // the odd ones
	case '1', '3', '5', '7', '9', 'b', 'd', 'f':
		return traceParent[id:idEnd]
	default:
		return ""
	}
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
