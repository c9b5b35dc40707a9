{{- define "planner.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* A CronJob's name may have 52 characters: Kubernetes appends 11 for its Jobs. */}}
{{- define "planner.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "planner.selectorLabels" -}}
app.kubernetes.io/name: {{ include "planner.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "planner.labels" -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "planner" -}}
{{- $own := include "planner.selectorLabels" . | fromYaml -}}
{{- merge $own $labels .Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "planner.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "planner.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "planner.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The text of the groups file, where the chart keeps it. */}}
{{- define "planner.groupsFile" -}}
{{- if .Values.groupsFile -}}
{{- .Values.groupsFile -}}
{{- else if .Values.groups -}}
{{- toYaml .Values.groups -}}
{{- else -}}
{{- .Files.Get "files/groups.yaml" -}}
{{- end -}}
{{- end -}}

{{- define "planner.groupsConfigMap" -}}
{{- default (printf "%s-groups" (include "planner.fullname" .)) .Values.existingConfigMap.name -}}
{{- end -}}

{{- define "planner.claim" -}}
{{- default (printf "%s-store" (include "planner.fullname" .)) .Values.store.sqlite.existingClaim -}}
{{- end -}}

{{- define "planner.planConfigMap" -}}
{{- default (printf "%s-plan" (include "planner.fullname" .)) .Values.apply.existingConfigMap -}}
{{- end -}}

{{/* Where planner finds the keys for plan files. */}}
{{- define "planner.planKeys" -}}
{{- $keys := list -}}
{{- range .Values.planKey.keys }}{{ $keys = append $keys (printf "file:/etc/planner-plan-key/%s" .) }}{{ end -}}
{{- join "," $keys -}}
{{- end -}}

{{- define "planner.applies" -}}
{{- if or .Values.apply.plan .Values.apply.existingConfigMap }}true{{ end -}}
{{- end -}}

{{- define "planner.pushes" -}}
{{- if or .Values.metrics.pushgateway.url .Values.metrics.pushgateway.existingSecret }}true{{ end -}}
{{- end -}}

{{/* What values.schema.json cannot say, as sentences. */}}
{{- define "planner.check" -}}
{{- $given := list -}}
{{- if .Values.groupsFile }}{{ $given = append $given "groupsFile" }}{{ end -}}
{{- if .Values.groups }}{{ $given = append $given "groups" }}{{ end -}}
{{- if .Values.existingConfigMap.name }}{{ $given = append $given "existingConfigMap.name" }}{{ end -}}
{{- if gt (len $given) 1 -}}
{{- fail (printf "the groups file is given more than once: keep one of %s" (join ", " $given)) -}}
{{- end -}}
{{- if and .Values.apply.plan .Values.apply.existingConfigMap -}}
{{- fail "the plan is given twice: keep one of apply.plan and apply.existingConfigMap" -}}
{{- end -}}
{{- if and .Values.metrics.pushgateway.url .Values.metrics.pushgateway.existingSecret -}}
{{- fail "the Pushgateway is given twice: keep one of metrics.pushgateway.url and metrics.pushgateway.existingSecret" -}}
{{- end -}}
{{- if and (eq .Values.store.kind "postgresql") (not .Values.store.postgresql.existingSecret) -}}
{{- fail "store.kind is postgresql: store.postgresql.existingSecret must name the Secret that holds its URL" -}}
{{- end -}}
{{- $seen := dict -}}
{{- range .Values.extraEnv -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "extraEnv has %s twice" .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- end -}}

{{/*
The environment. How long a run may reverse is a little less than what Kubernetes gives it: what cannot be reversed in
time is then left in good order (exit 4), and said, and not cut off by SIGKILL.
*/}}
{{- define "planner.env" -}}
- name: PLANNER_FILE
  value: /etc/planner/groups.yaml
{{- if .Values.nodes }}
{{- $nodes := list }}
{{- range $name, $url := .Values.nodes }}{{ $nodes = append $nodes (printf "%s=%s" $name $url) }}{{ end }}
- name: PLANNER_NODES
  value: {{ join "," $nodes | quote }}
{{- end }}
- name: PLANNER_STORE
{{- if eq .Values.store.kind "postgresql" }}
  valueFrom:
    secretKeyRef:
      name: {{ .Values.store.postgresql.existingSecret | quote }}
      key: {{ .Values.store.postgresql.key | quote }}
{{- else }}
  value: sqlite:////var/lib/planner/planner.db
{{- end }}
- name: PLANNER_GRACE
  value: {{ printf "%ds" (sub (int64 .Values.reconcile.terminationGracePeriodSeconds) 15) }}
- name: PLANNER_SUMMARY
  value: /dev/termination-log
{{- with .Values.metrics.pushgateway }}
{{- if .url }}
- name: PLANNER_PUSHGATEWAY
  value: {{ .url | quote }}
{{- else if .existingSecret }}
- name: PLANNER_PUSHGATEWAY
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- if .Values.metrics.textfile.volume }}
- name: PLANNER_METRICS_FILE
  value: /var/lib/planner-metrics/{{ .Values.metrics.textfile.file }}
{{- end }}
{{- with .Values.notify }}
{{- if .existingSecret }}
- name: PLANNER_NOTIFY
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: PLANNER_{{ snakecase $name | upper }}
{{- if kindIs "slice" $value }}
  value: {{ if $value }}{{ range $i, $one := $value }}{{ if $i }},{{ end }}{{ int64 $one }}{{ end }}{{ else }}none{{ end }}
{{- else if kindIs "string" $value }}
  value: {{ $value | quote }}
{{- else }}
  value: {{ int64 $value | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
The pod of every run. Takes a dict: root, component, args (a list), mountPlan, and planKey: whether it is one that makes
or takes a plan file. No other is given the keys.
*/}}
{{- define "planner.pod" -}}
{{- $root := .root -}}
{{- with $root.Values -}}
metadata:
  labels:
    {{- merge (include "planner.selectorLabels" $root | fromYaml) (dict "app.kubernetes.io/component" $.component) (include "planner.labels" $root | fromYaml) .podLabels | toYaml | nindent 4 }}
  annotations:
    {{- $annotations := dict }}
    {{- if not .existingConfigMap.name }}
    {{- $annotations = dict "checksum/groups" (include "planner.groupsFile" $root | sha256sum) }}
    {{- end }}
    {{- merge $annotations .podAnnotations (dict "kubectl.kubernetes.io/default-container" "planner") | toYaml | nindent 4 }}
spec:
  {{- include "planner.podSpec" $ | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "planner.podSpec" -}}
{{- $root := .root -}}
{{- with $root.Values -}}
restartPolicy: Never
serviceAccountName: {{ include "planner.serviceAccountName" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ int64 .reconcile.terminationGracePeriodSeconds }}
securityContext:
  {{- toYaml .podSecurityContext | nindent 2 }}
{{- with .imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: planner
    image: {{ include "planner.image" $root | quote }}
    imagePullPolicy: {{ .image.pullPolicy }}
    args:
      {{- toYaml $.args | nindent 6 }}
    env:
      {{- include "planner.env" $root | nindent 6 }}
      {{- if and $.planKey .planKey.existingSecret }}
      - name: PLANNER_PLAN_KEY
        value: {{ include "planner.planKeys" $root | quote }}
      {{- end }}
    {{- with .extraEnvFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- toYaml .securityContext | nindent 6 }}
    resources:
      {{- toYaml .resources | nindent 6 }}
    # The summary is there; where a run died before it could write one, the end of its log.
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: FallbackToLogsOnError
    volumeMounts:
      - name: groups
        mountPath: /etc/planner
        readOnly: true
      - name: tmp
        mountPath: /tmp
      {{- if eq .store.kind "sqlite" }}
      - name: store
        mountPath: /var/lib/planner
      {{- end }}
      {{- if .metrics.textfile.volume }}
      - name: metrics
        mountPath: /var/lib/planner-metrics
      {{- end }}
      {{- if $.mountPlan }}
      - name: plan
        mountPath: /etc/planner-plan
        readOnly: true
      {{- end }}
      {{- if and $.planKey .planKey.existingSecret }}
      - name: plan-key
        mountPath: /etc/planner-plan-key
        readOnly: true
      {{- end }}
      {{- with .extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: groups
    configMap:
      name: {{ include "planner.groupsConfigMap" $root | quote }}
      items:
        - key: {{ default "groups.yaml" .existingConfigMap.key | quote }}
          path: groups.yaml
  - name: tmp
    emptyDir:
      sizeLimit: {{ .tmpSize }}
  {{- if eq .store.kind "sqlite" }}
  - name: store
    persistentVolumeClaim:
      claimName: {{ include "planner.claim" $root | quote }}
  {{- end }}
  {{- if .metrics.textfile.volume }}
  - name: metrics
    {{- toYaml .metrics.textfile.volume | nindent 4 }}
  {{- end }}
  {{- if $.mountPlan }}
  - name: plan
    configMap:
      name: {{ include "planner.planConfigMap" $root | quote }}
      items:
        - key: {{ .apply.key | quote }}
          path: plan.json
  {{- end }}
  {{- if and $.planKey .planKey.existingSecret }}
  - name: plan-key
    secret:
      secretName: {{ .planKey.existingSecret | quote }}
      defaultMode: 0440
      items:
        {{- range .planKey.keys }}
        - key: {{ . | quote }}
          path: {{ . | quote }}
        {{- end }}
  {{- end }}
  {{- with .extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What every object begins with. Takes a dict: root, suffix (may be empty). */}}
{{- define "planner.metadata" -}}
name: {{ include "planner.fullname" .root | trunc (int (sub 63 (len .suffix))) | trimSuffix "-" }}{{ .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- merge (dict) (default (dict) .labels) (include "planner.labels" .root | fromYaml) | toYaml | nindent 2 }}
{{- end -}}
