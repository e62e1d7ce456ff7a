// kubetypes reads Kubernetes manifests (YAML) from standard input, decodes each strictly into the
// Go type of its kind, and prints what does not fit: unknown fields, wrong types, unknown kinds.
// It exits with 1 where something does not fit.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

func main() {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		apps.AddToScheme, core.AddToScheme, networking.AddToScheme, policy.AddToScheme,
		rbac.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	read, wrong := 0, 0
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		var content map[string]any
		if err := utilyaml.Unmarshal(document, &content); err == nil && len(content) == 0 {
			continue // comments alone
		}
		read++
		if _, kind, err := decoder.Decode(document, nil, nil); err != nil {
			wrong++
			fmt.Printf("document %d (%v): %v\n", read, kind, err)
		}
	}
	fmt.Printf("%d documents, %d wrong\n", read, wrong)
	if wrong > 0 || read == 0 {
		os.Exit(1)
	}
}
