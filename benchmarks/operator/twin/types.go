package main

import (
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/scheme"
)

// The resource, as far as a Go operator would type it; parts that the twin does not look into stay
// JSON, which takes less memory than their types would.

var (
	groupVersion  = schema.GroupVersion{Group: "lathe.dev", Version: "v1alpha1"}
	schemeBuilder = &scheme.Builder{GroupVersion: groupVersion}
)

func init() {
	schemeBuilder.Register(&ModelOptimization{}, &ModelOptimizationList{})
}

type JSON = apiextensionsv1.JSON

type ModelOptimization struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitempty"`
}

type ModelOptimizationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ModelOptimization `json:"items"`
}

type Spec struct {
	Model      Model     `json:"model"`
	Datasets   []Dataset `json:"datasets,omitempty"`
	Storage    *JSON     `json:"storage,omitempty"`
	Steps      []JSON    `json:"steps,omitempty"`
	Targets    []JSON    `json:"targets,omitempty"`
	Evaluation *JSON     `json:"evaluation,omitempty"`
	Output     *JSON     `json:"output,omitempty"`
	Run        *JSON     `json:"run,omitempty"`
	Worker     *JSON     `json:"worker,omitempty"`
	Scheduling *JSON     `json:"scheduling,omitempty"`
}

type Model struct {
	URI          string `json:"uri"`
	Format       string `json:"format,omitempty"`
	Digest       string `json:"digest,omitempty"`
	Architecture *JSON  `json:"architecture,omitempty"`
	Inputs       []JSON `json:"inputs,omitempty"`
}

type Dataset struct {
	Name   string            `json:"name"`
	URI    string            `json:"uri"`
	Format string            `json:"format,omitempty"`
	Inputs map[string]string `json:"inputs,omitempty"`
	Labels string            `json:"labels,omitempty"`
}

type Status struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Phase              string             `json:"phase,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	Run                *Run               `json:"run,omitempty"`
	Summary            map[string]string  `json:"summary,omitempty"`
	Steps              []JSON             `json:"steps,omitempty"`
	Targets            []JSON             `json:"targets,omitempty"`
	Artifacts          []JSON             `json:"artifacts,omitempty"`
	Metrics            []JSON             `json:"metrics,omitempty"`
	ManifestURI        string             `json:"manifestURI,omitempty"`
	ReportURI          string             `json:"reportURI,omitempty"`
}

type Run struct {
	Key            string `json:"key,omitempty"`
	Plan           string `json:"plan,omitempty"`
	Job            string `json:"job,omitempty"`
	Attempt        int    `json:"attempt,omitempty"`
	StartTime      string `json:"startTime,omitempty"`
	CompletionTime string `json:"completionTime,omitempty"`
}

func (in *ModelOptimization) DeepCopyObject() runtime.Object {
	out := &ModelOptimization{TypeMeta: in.TypeMeta, Spec: in.Spec, Status: in.Status}
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Model.Architecture = in.Spec.Model.Architecture.DeepCopy()
	out.Spec.Model.Inputs = deep(in.Spec.Model.Inputs)
	out.Spec.Datasets = slices.Clone(in.Spec.Datasets)
	for i := range out.Spec.Datasets {
		out.Spec.Datasets[i].Inputs = maps.Clone(out.Spec.Datasets[i].Inputs)
	}
	out.Spec.Storage = in.Spec.Storage.DeepCopy()
	out.Spec.Steps = deep(in.Spec.Steps)
	out.Spec.Targets = deep(in.Spec.Targets)
	out.Spec.Evaluation = in.Spec.Evaluation.DeepCopy()
	out.Spec.Output = in.Spec.Output.DeepCopy()
	out.Spec.Run = in.Spec.Run.DeepCopy()
	out.Spec.Worker = in.Spec.Worker.DeepCopy()
	out.Spec.Scheduling = in.Spec.Scheduling.DeepCopy()
	out.Status.Conditions = slices.Clone(in.Status.Conditions)
	if in.Status.Run != nil {
		run := *in.Status.Run
		out.Status.Run = &run
	}
	out.Status.Summary = maps.Clone(in.Status.Summary)
	out.Status.Steps = deep(in.Status.Steps)
	out.Status.Targets = deep(in.Status.Targets)
	out.Status.Artifacts = deep(in.Status.Artifacts)
	out.Status.Metrics = deep(in.Status.Metrics)
	return out
}

func (in *ModelOptimizationList) DeepCopyObject() runtime.Object {
	out := &ModelOptimizationList{TypeMeta: in.TypeMeta, Items: make([]ModelOptimization, len(in.Items))}
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopyObject().(*ModelOptimization)
	}
	return out
}

func deep(list []JSON) []JSON {
	if list == nil {
		return nil
	}
	out := make([]JSON, len(list))
	for i := range list {
		list[i].DeepCopyInto(&out[i])
	}
	return out
}
