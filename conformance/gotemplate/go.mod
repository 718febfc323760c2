module bowline/conformance/gotemplate

go 1.26.0

require github.com/Masterminds/sprig/v3 v3.3.0
