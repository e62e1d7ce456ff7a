{{/* Names are those of deploy/kubernetes, whatever the release is called: a Service's name is the
     `job` that rules look for. A namespace has one release. */}}

{{/* Labels of every object. Of the node's roles only their own objects have `component`. */}}
{{- define "butterfly.labels" -}}
app.kubernetes.io/part-of: butterfly
{{- with .role }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{ include "butterfly.release" .root }}
{{- end }}

{{- define "butterfly.release" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What selects the pods of a role. */}}
{{- define "butterfly.selector" -}}
app.kubernetes.io/part-of: butterfly
app.kubernetes.io/component: {{ . }}
{{- end }}

{{/* The Collectors are not part of `butterfly`: the monitor of the nodes leaves them alone. */}}
{{- define "butterfly.collectorSelector" -}}
app.kubernetes.io/part-of: butterfly-telemetry
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "butterfly.image" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}

{{- define "butterfly.pulls" -}}
{{- has .Values.metrics.exporter (list "prometheus" "both") | ternary "true" "" -}}
{{- end }}

{{- define "butterfly.pushes" -}}
{{- has .Values.metrics.exporter (list "otlp" "both") | ternary "true" "" -}}
{{- end }}

{{/* Whether the endpoint speaks TLS, and whether it wants a certificate of whoever asks. */}}
{{- define "butterfly.tls" -}}
{{- with .Values.metrics }}{{ if or .tls.secret (and .webConfig.secret .webConfig.tls) }}true{{ end }}{{ end -}}
{{- end }}

{{- define "butterfly.mutual" -}}
{{- with .Values.metrics }}{{ if or .tls.clientAuthority.secret (and .webConfig.secret .webConfig.clientCertificates) }}true{{ end }}{{ end -}}
{{- end }}

{{/* What can't be, said in a sentence before anything is made. */}}
{{- define "butterfly.check" -}}
{{- $metrics := .Values.metrics }}
{{- if and $metrics.webConfig.secret (or $metrics.tls.secret $metrics.auth.bearerToken.secret) }}
{{- fail "metrics.webConfig.secret says all about TLS and who may ask: set it, or metrics.tls and metrics.auth.bearerToken, and not both" }}
{{- end }}
{{- if and $metrics.tls.clientAuthority.secret (not $metrics.tls.secret) }}
{{- fail "metrics.tls.clientAuthority.secret needs TLS: set metrics.tls.secret to a secret with the endpoint's certificate" }}
{{- end }}
{{- if and $metrics.auth.bearerToken.secret (not $metrics.tls.secret) (not $metrics.auth.plaintext) }}
{{- fail "metrics.auth.bearerToken.secret without TLS sends the token for all to read: set metrics.tls.secret, or metrics.auth.plaintext to true where the network is encrypted" }}
{{- end }}
{{- if and (include "butterfly.pushes" .) (not $metrics.otlp.endpoint) (not .Values.agent.enabled) (not .Values.gateway.enabled) }}
{{- fail (printf "metrics.exporter is %s, which needs somewhere to push to: set metrics.otlp.endpoint, agent.enabled or gateway.enabled" $metrics.exporter) }}
{{- end }}
{{- range $role, $spec := .Values.roles }}
{{- include "butterfly.checkBudget" (list (printf "roles.%s" $role) $spec.podDisruptionBudget) }}
{{- end }}
{{- include "butterfly.checkBudget" (list "gateway" .Values.gateway.podDisruptionBudget) }}
{{- if and .Values.agent.enabled (not .Values.gateway.enabled) (not .Values.agent.gateway) }}
{{- fail "agent.enabled needs a gateway to send to: set gateway.enabled to true, or agent.gateway to the host:port of another" }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.remoteWriteUrl) (not .Values.gateway.config) }}
{{- fail "gateway.enabled needs gateway.remoteWriteUrl, such as http://prometheus-operated.monitoring.svc:9090/api/v1/write" }}
{{- end }}
{{- end }}

{{/* Values are merged with the defaults, so that one given beside the other does not replace it. */}}
{{- define "butterfly.checkBudget" -}}
{{- $budget := index . 1 | default dict }}
{{- if and (hasKey $budget "minAvailable") (hasKey $budget "maxUnavailable") }}
{{- fail (printf "%s.podDisruptionBudget has minAvailable and maxUnavailable, and Kubernetes takes one of them: set the other to null" (index . 0)) }}
{{- end }}
{{- end }}

{{- define "butterfly.otlpEndpoint" -}}
{{- if .Values.metrics.otlp.endpoint }}{{ .Values.metrics.otlp.endpoint }}
{{- else if .Values.agent.enabled }}http://{{ .Values.agent.name }}:4318
{{- else }}http://{{ .Values.gateway.name }}:4318
{{- end }}
{{- end }}

{{/* Safe enough for the `restricted` Pod Security Standard. */}}
{{- define "butterfly.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "butterfly.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65534
seccompProfile:
  type: RuntimeDefault
{{- end }}
