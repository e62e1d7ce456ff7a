{{/* The pods of a Collector; takes `root`, `role` (agent or gateway), `spec` and `config`. Its memory
     limiter stands at 80 % of the container's memory, and Go's at 80 % of that. */}}
{{- define "butterfly.collectorPod" -}}
{{- $limit := div (mul .spec.memoryMiB 80) 100 -}}
metadata:
  labels:
    {{- include "butterfly.collectorSelector" .role | nindent 4 }}
    {{- with .spec.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ .config | sha256sum }}
    {{- with .spec.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  automountServiceAccountToken: false  # nothing here asks the API server
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .spec.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .spec.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .spec.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq .role "gateway" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "butterfly.collectorSelector" .role | nindent 10 }}
  {{- end }}
  securityContext: {{- include "butterfly.podSecurity" .root | nindent 4 }}
  containers:
    - name: otelcol
      image: {{ include "butterfly.image" .spec.image | quote }}
      {{- with .spec.image.pullPolicy }}
      imagePullPolicy: {{ . }}
      {{- end }}
      args: [--config=/etc/otelcol/{{ .role }}.yml]
      ports:
        - {name: otlp-grpc, containerPort: 4317}
        - {name: otlp-http, containerPort: 4318}
        - {name: telemetry, containerPort: 8888}
        - {name: health, containerPort: 13133}
      env:
        {{- if eq .role "agent" }}
        - name: BUTTERFLY_AGENT_HOST
          value: 0.0.0.0
        - name: BUTTERFLY_AGENT_MEMORY_MIB
          value: {{ $limit | quote }}
        - name: BUTTERFLY_GATEWAY
          value: {{ .spec.gateway | default (printf "%s:4317" .root.Values.gateway.name) | quote }}
        - name: BUTTERFLY_GATEWAY_PLAINTEXT
          value: {{ .spec.plaintext | quote }}
        {{- else }}
        - name: BUTTERFLY_GATEWAY_MEMORY_MIB
          value: {{ $limit | quote }}
        {{- with .spec.remoteWriteUrl }}
        - name: BUTTERFLY_REMOTE_WRITE_URL
          value: {{ . | quote }}
        {{- end }}
        {{- end }}
        - name: GOMEMLIMIT
          value: {{ printf "%dMiB" (div (mul $limit 80) 100) }}
        {{- with .spec.env }}{{ toYaml . | nindent 8 }}{{ end }}
      readinessProbe:
        httpGet: {path: /, port: health}
        periodSeconds: 10
      livenessProbe:
        httpGet: {path: /, port: health}
        periodSeconds: 20
        failureThreshold: 6
      resources:
        requests:
          cpu: {{ .spec.cpu | quote }}
          memory: {{ .spec.memoryMiB }}Mi
        limits:
          memory: {{ .spec.memoryMiB }}Mi
      securityContext: {{- include "butterfly.containerSecurity" .root | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/otelcol
          readOnly: true
  volumes:
    - name: config
      configMap:
        name: {{ .spec.name }}
{{- end }}

{{- define "butterfly.collectorLabels" -}}
{{ include "butterfly.collectorSelector" .role }}
{{ include "butterfly.release" .root }}
{{- end }}
