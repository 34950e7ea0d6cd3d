{{/* Names, labels, and what several templates say. */}}

{{- define "lathe.name" -}}
{{- $ofRelease := ternary .Release.Name (printf "%s-lathe" .Release.Name) (contains "lathe" .Release.Name) -}}
{{- .Values.fullnameOverride | default $ofRelease | trunc 48 | trimSuffix "-" -}}
{{- end }}

{{- define "lathe.operator" -}}
{{- include "lathe.name" . }}-operator
{{- end }}

{{/* What selects the operator's pods; it can never be changed. */}}
{{- define "lathe.selector" -}}
app.kubernetes.io/name: lathe-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lathe.labels" -}}
{{ include "lathe.selector" . }}
{{ include "lathe.commonLabels" . }}
{{- end }}

{{- define "lathe.workerLabels" -}}
app.kubernetes.io/name: lathe-worker
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "lathe.commonLabels" . }}
{{- end }}

{{- define "lathe.commonLabels" -}}
app.kubernetes.io/part-of: lathe
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* An image by its digest, else by its tag. Takes a list: the image's values, the root. */}}
{{- define "lathe.image" -}}
{{- $image := index . 0 -}}
{{- $root := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The namespaces that the operator serves, as a list in JSON; none: all. */}}
{{- define "lathe.served" -}}
{{- if eq .Values.scope "namespace" -}}
{{ .Values.namespaces | default (list .Release.Namespace) | uniq | toJson }}
{{- else -}}
[]
{{- end -}}
{{- end }}

{{/* The namespaces in which something is made for workers, as a list in JSON. */}}
{{- define "lathe.workerNamespaces" -}}
{{- if .Values.namespaces -}}
{{ .Values.namespaces | uniq | toJson }}
{{- else -}}
{{ include "lathe.served" . }}
{{- end -}}
{{- end }}

{{- define "lathe.priorityClassName" -}}
{{- if .Values.operator.priorityClassName -}}
{{ .Values.operator.priorityClassName }}
{{- else if .Values.priorityClass.create -}}
{{ include "lathe.operator" . }}
{{- end -}}
{{- end }}

{{/* A file of charts/kustomize/base, with the release's labels. Takes a list: its name, the root. */}}
{{- define "lathe.ofBase" -}}
{{- $root := index . 1 -}}
{{- range $root.Files.Get (printf "files/base/%s" (index . 0)) | splitList "\n---\n" }}
{{- $object := fromYaml . }}
{{- $labels := merge (include "lathe.labels" $root | fromYaml) ($object.metadata.labels | default dict) }}
{{- $_ := set $object.metadata "labels" $labels }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
