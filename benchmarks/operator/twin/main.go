// The twin: what a minimal operator in Go does for the same resources, with the same writes.
//
//	twin operate  watches resources, Jobs and pods, and writes what Lathe's operator writes
//	twin create   creates resources, as fast as it can or at a rate
//	twin kubelet  lets every pod run, and succeed
//
// It validates nothing and plans nothing: Jobs, statuses and Events come from templates that
// Lathe's own decisions have made. It is the least that an operator in Go could do.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

type options struct {
	kubeconfig  string
	namespace   string
	templates   string
	concurrency int
	count       int
	rate        float64
	prefix      string
	finished    bool
}

// templates are what Lathe's operator would write, for one resource.
type templates struct {
	Resource json.RawMessage            `json:"resource"`
	Job      json.RawMessage            `json:"job"`
	Statuses map[string]map[string]any  `json:"statuses"`
	Events   map[string]json.RawMessage `json:"events"`
	Running  json.RawMessage            `json:"running"`
	Ended    json.RawMessage            `json:"ended"`
}

var verbs = map[string]func(context.Context, options, templates, *rest.Config) error{
	"operate": operate,
	"create":  create,
	"kubelet": kubelet,
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		log.Fatal("usage: twin operate|create|kubelet -kubeconfig FILE -namespace NAME -templates FILE")
	}
	var chosen options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&chosen.kubeconfig, "kubeconfig", "", "how to reach the cluster")
	flags.StringVar(&chosen.namespace, "namespace", "default", "where the resources are")
	flags.StringVar(&chosen.templates, "templates", "", "JSON file of what is written")
	flags.IntVar(&chosen.concurrency, "concurrency", 16, "how much is done at once")
	flags.IntVar(&chosen.count, "count", 1, "create: how many resources")
	flags.Float64Var(&chosen.rate, "rate", 0, "create: resources per second; 0: as fast as it can")
	flags.StringVar(&chosen.prefix, "prefix", "r", "create: what their names begin with")
	flags.BoolVar(&chosen.finished, "finished", false, "create: resources that have succeeded")
	_ = flags.Parse(os.Args[2:])

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1], chosen); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, verb string, chosen options) error {
	raw, err := os.ReadFile(chosen.templates)
	if err != nil {
		return err
	}
	var known templates
	if err := json.Unmarshal(raw, &known); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", chosen.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	return verbs[verb](ctx, chosen, known, config)
}

func newScheme() (*runtime.Scheme, error) {
	known := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(known); err != nil {
		return nil, err
	}
	return known, schemeBuilder.AddToScheme(known)
}
