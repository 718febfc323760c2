{{- define "web.labels" -}}
app: {{ .Chart.Name }}
release: {{ .Release.Name }}
version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
{{- end -}}
