package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	manager    = "lathe-operator"
	ours       = "lathe.dev/managed"
	resourceOf = "lathe.dev/resource"
	byOwner    = "owner"
	// How long a new run may go without a status: one that starts at once is told of once.
	patience = 2 * time.Second
)

// operate watches and writes until it is told to stop.
func operate(ctx context.Context, chosen options, known templates, config *rest.Config) error {
	ctrl.SetLogger(logr.Discard())
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	selected := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{ours: "true"})}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: server.Options{BindAddress: "0"},
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{chosen.namespace: {}},
			DefaultTransform:  cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&batchv1.Job{}: selected,
				&corev1.Pod{}:  selected,
			},
		},
	})
	if err != nil {
		return err
	}
	for _, kind := range []client.Object{&batchv1.Job{}, &corev1.Pod{}} {
		if err := manager.GetFieldIndexer().IndexField(ctx, kind, byOwner, controllerOf); err != nil {
			return err
		}
	}
	looks := &reconciler{Client: manager.GetClient(), known: known}
	if err := json.Unmarshal(known.Job, &looks.job); err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(manager).
		For(&ModelOptimization{}).
		Owns(&batchv1.Job{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(workedFor)).
		WithOptions(controller.Options{MaxConcurrentReconciles: chosen.concurrency}).
		Complete(looks)
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

func controllerOf(object client.Object) []string {
	if owner := metav1.GetControllerOf(object); owner != nil {
		return []string{string(owner.UID)}
	}
	return nil
}

func workedFor(_ context.Context, pod client.Object) []reconcile.Request {
	name := types.NamespacedName{Namespace: pod.GetNamespace(), Name: pod.GetLabels()[resourceOf]}
	return []reconcile.Request{{NamespacedName: name}}
}

type reconciler struct {
	client.Client

	known templates
	job   batchv1.Job
	// The resourceVersion that this process has last written of each resource: until the cache shows
	// it, a look would see the past.
	written sync.Map
}

// Reconcile looks once: a Job where there is none, and a status when it has changed.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var resource ModelOptimization
	if err := r.Get(ctx, request.NamespacedName, &resource); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	done := resource.Status.Phase == "Succeeded" || resource.Status.Phase == "Failed"
	if resource.DeletionTimestamp != nil || done && resource.Status.ObservedGeneration == resource.Generation {
		return ctrl.Result{}, nil
	}
	if version, known := r.written.Load(resource.UID); known && version.(uint64) > versionOf(&resource) {
		return ctrl.Result{}, nil
	}
	var jobs batchv1.JobList
	owned := client.MatchingFields{byOwner: string(resource.UID)}
	if err := r.List(ctx, &jobs, client.InNamespace(request.Namespace), owned); err != nil {
		return ctrl.Result{}, err
	}
	if len(jobs.Items) == 0 {
		return ctrl.Result{RequeueAfter: patience}, r.start(ctx, &resource)
	}
	job := &jobs.Items[0]
	phase, err := r.phaseOf(ctx, job)
	if err != nil || phase == resource.Status.Phase {
		return ctrl.Result{}, err
	}
	if left := time.Until(job.CreationTimestamp.Add(patience)); phase == "Pending" && left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	return ctrl.Result{}, r.tell(ctx, &resource, job, phase)
}

func (r *reconciler) start(ctx context.Context, resource *ModelOptimization) error {
	job := r.job.DeepCopy()
	job.Name = resource.Name + "-" + digest(string(resource.UID), "work", "1")[:8]
	job.Namespace = resource.Namespace
	job.Labels[resourceOf] = resource.Name
	job.Spec.Template.Labels[resourceOf] = resource.Name
	job.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(resource, groupVersion.WithKind("ModelOptimization"))}
	job.OwnerReferences[0].BlockOwnerDeletion = nil
	return client.IgnoreAlreadyExists(r.Create(ctx, job, client.FieldOwner(manager)))
}

func (r *reconciler) phaseOf(ctx context.Context, job *batchv1.Job) (string, error) {
	var pods corev1.PodList
	owned := client.MatchingFields{byOwner: string(job.UID)}
	if err := r.List(ctx, &pods, client.InNamespace(job.Namespace), owned); err != nil {
		return "", err
	}
	began := false
	for _, pod := range pods.Items {
		for _, container := range pod.Status.ContainerStatuses {
			if ended := container.State.Terminated; ended != nil {
				began = true
				var outcome map[string]any
				if isComplete(job) && json.Unmarshal([]byte(ended.Message), &outcome) == nil {
					return "Succeeded", nil
				}
			}
			began = began || container.State.Running != nil
		}
	}
	if began {
		return "Running", nil
	}
	if job.Spec.Suspend != nil && *job.Spec.Suspend {
		return "Queued", nil
	}
	return "Pending", nil
}

func isComplete(job *batchv1.Job) bool {
	for _, condition := range job.Status.Conditions {
		if condition.Type == batchv1.JobComplete && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// tell posts what happened, then writes status over the version that was seen.
func (r *reconciler) tell(ctx context.Context, resource *ModelOptimization, job *batchv1.Job, phase string) error {
	now := time.Now().UTC().Format(time.RFC3339)
	started := resource.Status.Run != nil && resource.Status.Run.StartTime != ""
	if (phase == "Running" || phase == "Succeeded") && !started {
		if err := r.post(ctx, resource, "Started"); err != nil {
			return err
		}
	}
	if phase == "Succeeded" {
		if err := r.post(ctx, resource, "Succeeded"); err != nil {
			return err
		}
	}
	status := runtime.DeepCopyJSON(r.known.Statuses[phase])
	for _, condition := range status["conditions"].([]any) {
		condition.(map[string]any)["lastTransitionTime"] = now
	}
	run := status["run"].(map[string]any)
	run["job"] = job.Name
	if phase != "Pending" && phase != "Queued" {
		run["startTime"] = now
	}
	if phase == "Succeeded" {
		run["completionTime"] = now
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": resource.ResourceVersion},
		"status":   status,
	})
	if err != nil {
		return err
	}
	over := client.RawPatch(types.MergePatchType, patch)
	if err := r.Status().Patch(ctx, resource, over, client.FieldOwner(manager)); err != nil {
		return err
	}
	r.written.Store(resource.UID, versionOf(resource))
	return nil
}

func versionOf(object client.Object) uint64 {
	version, _ := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	return version
}

func (r *reconciler) post(ctx context.Context, resource *ModelOptimization, reason string) error {
	var event eventsv1.Event
	if err := json.Unmarshal(r.known.Events[reason], &event); err != nil {
		return err
	}
	event.Name = resource.Name + "." + digest(string(resource.UID), reason)[:16]
	event.Namespace = resource.Namespace
	event.EventTime = metav1.NowMicro()
	event.Regarding.Namespace, event.Regarding.Name, event.Regarding.UID = resource.Namespace, resource.Name, resource.UID
	return client.IgnoreAlreadyExists(r.Create(ctx, &event))
}

func digest(parts ...string) string {
	raw, _ := json.Marshal(parts)
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
