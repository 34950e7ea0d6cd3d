package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// create creates resources, a few at once.
func create(ctx context.Context, chosen options, known templates, config *rest.Config) error {
	config.APIPath, config.GroupVersion = "/apis", &groupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	api, err := rest.RESTClientFor(config)
	if err != nil {
		return err
	}
	numbers, failed := make(chan int), make(chan error, chosen.concurrency)
	for range chosen.concurrency {
		go func() {
			failed <- createEach(ctx, api, chosen, known, numbers)
		}()
	}
	began := time.Now()
	for number := range chosen.count {
		if chosen.rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(number) / chosen.rate * float64(time.Second)))))
		}
		select {
		case numbers <- number:
		case err := <-failed:
			return err
		}
	}
	close(numbers)
	for range chosen.concurrency {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}

func createEach(ctx context.Context, api *rest.RESTClient, chosen options, known templates, numbers <-chan int) error {
	var document map[string]any
	if err := json.Unmarshal(known.Resource, &document); err != nil {
		return err
	}
	for number := range numbers {
		name := fmt.Sprintf("%s-%05d", chosen.prefix, number)
		document["metadata"] = map[string]any{"name": name, "namespace": chosen.namespace}
		body, err := json.Marshal(document)
		if err != nil {
			return err
		}
		made := api.Post().Namespace(chosen.namespace).Resource("modeloptimizations").
			SetHeader("Content-Type", "application/json").Body(body).Do(ctx)
		if err := made.Error(); err != nil {
			return err
		}
		if !chosen.finished {
			continue
		}
		patch, err := json.Marshal(map[string]any{"status": known.Statuses["Succeeded"]})
		if err != nil {
			return err
		}
		told := api.Patch(types.MergePatchType).Namespace(chosen.namespace).
			Resource("modeloptimizations").Name(name).SubResource("status").Body(patch).Do(ctx)
		if err := told.Error(); err != nil {
			return err
		}
	}
	return nil
}

// kubelet lets every pod run and succeed, at once.
func kubelet(ctx context.Context, chosen options, known templates, config *rest.Config) error {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	pods := clients.CoreV1().Pods(chosen.namespace)
	appeared := make(chan string, 100_000)
	for range chosen.concurrency {
		go func() {
			for name := range appeared {
				for _, status := range []json.RawMessage{known.Running, known.Ended} {
					now := time.Now().UTC().Format(time.RFC3339)
					patch := `{"status":` + strings.ReplaceAll(string(status), "@TIME@", now) + `}`
					_, _ = pods.Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
				}
			}
		}()
	}
	watched := cache.NewListWatchFromClient(clients.CoreV1().RESTClient(), "pods", chosen.namespace, fields.Everything())
	_, watching := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: watched,
		ObjectType:    &corev1.Pod{},
		Transform: func(object any) (any, error) {
			if pod, is := object.(*corev1.Pod); is {
				return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}}, nil
			}
			return object, nil
		},
		Handler: cache.ResourceEventHandlerFuncs{AddFunc: func(object any) {
			appeared <- object.(*corev1.Pod).Name
		}},
	})
	watching.RunWithContext(ctx)
	return nil
}
