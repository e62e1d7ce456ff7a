{{/* What the SDK of a node is told; takes `root` and `role`. */}}
{{- define "butterfly.env" -}}
{{- $metrics := .root.Values.metrics -}}
{{- $spec := get .root.Values.roles .role -}}
# The pod's name is the node's id, and the `instance` of what it exports.
- name: BUTTERFLY_NODE_ID
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: BUTTERFLY_NODE_ROLE
  value: {{ .role }}
- name: K8S_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: K8S_NODE
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
# On target_info; a key of the contract is none of them.
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.pod.name=$(BUTTERFLY_NODE_ID),k8s.namespace.name=$(K8S_NAMESPACE),k8s.node.name=$(K8S_NODE)
- name: OTEL_METRICS_EXPORTER
  value: {{ eq $metrics.exporter "both" | ternary "prometheus,otlp" $metrics.exporter | quote }}
{{- if include "butterfly.pulls" .root }}
# The default, localhost, is not reachable from outside the pod.
- name: OTEL_EXPORTER_PROMETHEUS_HOST
  value: 0.0.0.0
- name: OTEL_EXPORTER_PROMETHEUS_PORT
  value: {{ $metrics.port | quote }}
{{- end }}
{{- with $metrics.overlays }}
- name: BUTTERFLY_OTEL_VIEWS
  value: {{ join ":" . | quote }}
{{- end }}
{{- with $metrics.collectors }}
- name: BUTTERFLY_OTEL_COLLECTORS
  value: {{ join "," . | quote }}
{{- end }}
{{- if $metrics.hardwareMetrics }}
- name: BUTTERFLY_OTEL_HARDWARE_METRICS
  value: "true"
{{- end }}
{{- if include "butterfly.pushes" .root }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ include "butterfly.otlpEndpoint" .root | quote }}
- name: OTEL_METRIC_EXPORT_INTERVAL
  value: {{ mul $metrics.otlp.intervalSeconds 1000 | quote }}
{{- with $metrics.otlp.headers }}
{{- if .secret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end }}
{{- end }}
{{- end }}
{{- if include "butterfly.pulls" .root }}
{{- if $metrics.webConfig.secret }}
- name: BUTTERFLY_OTEL_PROMETHEUS_WEB_CONFIG
  value: /etc/butterfly-otel/web/{{ $metrics.webConfig.key }}
{{- end }}
{{- if $metrics.tls.secret }}
- name: BUTTERFLY_OTEL_PROMETHEUS_CERTIFICATE
  value: /etc/butterfly-otel/tls/{{ $metrics.tls.certificate }}
- name: BUTTERFLY_OTEL_PROMETHEUS_KEY
  value: /etc/butterfly-otel/tls/{{ $metrics.tls.key }}
{{- end }}
{{- if $metrics.tls.clientAuthority.secret }}
- name: BUTTERFLY_OTEL_PROMETHEUS_CLIENT_CA
  value: /etc/butterfly-otel/clients/{{ $metrics.tls.clientAuthority.key }}
{{- end }}
{{- if $metrics.auth.bearerToken.secret }}
- name: BUTTERFLY_OTEL_PROMETHEUS_BEARER_TOKEN_FILE
  value: /etc/butterfly-otel/token/{{ $metrics.auth.bearerToken.key }}
{{- end }}
{{- end }}
{{- with $metrics.env }}
{{ toYaml . }}
{{- end }}
{{- with $spec.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The secrets that are mounted: pairs of a folder and a secret, as YAML. */}}
{{- define "butterfly.secrets" -}}
{{- if include "butterfly.pulls" . }}
{{- with .Values.metrics.webConfig.secret }}
web: {{ . }}
{{- end }}
{{- with .Values.metrics.tls.secret }}
tls: {{ . }}
{{- end }}
{{- with .Values.metrics.tls.clientAuthority.secret }}
clients: {{ . }}
{{- end }}
{{- with .Values.metrics.auth.bearerToken.secret }}
token: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* How a probe asks: a kubelet has no certificate to show, so there it only connects. */}}
{{- define "butterfly.probe" -}}
{{- if include "butterfly.mutual" .root -}}
tcpSocket:
  port: metrics
{{- else -}}
httpGet:
  path: {{ .path }}
  port: metrics
{{- if include "butterfly.tls" .root }}
  scheme: HTTPS
{{- end }}
{{- end }}
{{- end }}

{{/* The probes of a role: its own where it has some, else the endpoint's health checks. */}}
{{- define "butterfly.probes" -}}
{{- $spec := get .root.Values.roles .role -}}
{{- $pulls := include "butterfly.pulls" .root -}}
{{- if $spec.startupProbe }}
startupProbe: {{- toYaml $spec.startupProbe | nindent 2 }}
{{- else if $pulls }}
startupProbe:
  {{- include "butterfly.probe" (dict "root" .root "path" "/-/ready") | nindent 2 }}
  periodSeconds: 5
  failureThreshold: 60  # a model takes its time to load
{{- end }}
{{- if $spec.readinessProbe }}
readinessProbe: {{- toYaml $spec.readinessProbe | nindent 2 }}
{{- else if $pulls }}
readinessProbe:
  {{- include "butterfly.probe" (dict "root" .root "path" "/-/ready") | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}
{{- if $spec.livenessProbe }}
livenessProbe: {{- toYaml $spec.livenessProbe | nindent 2 }}
{{- else if $pulls }}
# A slow page is no reason to kill a node: this asks only whether the process answers.
livenessProbe:
  {{- include "butterfly.probe" (dict "root" .root "path" "/-/healthy") | nindent 2 }}
  periodSeconds: 20
  failureThreshold: 6
{{- end }}
{{- end }}
