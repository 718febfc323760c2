package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const finalizer = "clients.example.com/finalizer"

var widget = schema.GroupVersionKind{Group: "clients.example.com", Version: "v1", Kind: "Widget"}

// controllerRuntime runs an operator as people write them: a manager that
// reconciles a custom resource into a ConfigMap it owns, with a finalizer and a
// status, until the resource is gone again.
func controllerRuntime(ctx context.Context, _ []string) error {
	ctrl.SetLogger(zap.New())
	config, err := restConfig()
	if err != nil {
		return err
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(apiextensionsv1.AddToScheme(scheme))
	direct, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	if err := establish(ctx, direct); err != nil {
		return fmt.Errorf("the CRD: %w", err)
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, LeaderElection: false})
	if err != nil {
		return err
	}
	watched := &unstructured.Unstructured{}
	watched.SetGroupVersionKind(widget)
	if err := ctrl.NewControllerManagedBy(manager).For(watched).Owns(&corev1.ConfigMap{}).Complete(&operator{manager.GetClient()}); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()

	one := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"size": int64(3)}}}
	one.SetGroupVersionKind(widget)
	one.SetName("one")
	one.SetNamespace("default")
	if err := direct.Create(ctx, one); err != nil {
		return err
	}
	// The real garbage collector learns of new kinds every half minute.
	poll := func(what string, done func() (bool, error)) error {
		err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 45*time.Second, true, func(context.Context) (bool, error) { return done() })
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	key := client.ObjectKeyFromObject(one)
	if err := poll("the operator does not reach its status", func() (bool, error) {
		if err := direct.Get(ctx, key, one); err != nil {
			return false, err
		}
		ready, _, _ := unstructured.NestedString(one.Object, "status", "phase")
		return ready == "Ready", nil
	}); err != nil {
		return err
	}
	if err := direct.Delete(ctx, one); err != nil {
		return err
	}
	if err := poll("the owned ConfigMap and the resource do not go", func() (bool, error) {
		owned := &corev1.ConfigMap{}
		mapGone := client.IgnoreNotFound(direct.Get(ctx, key, owned)) == nil && owned.Name == ""
		gone := direct.Get(ctx, key, one) != nil
		return mapGone && gone, nil
	}); err != nil {
		return err
	}
	// The typed client applies as well, with controller-runtime's own patch.
	app := deployment()
	app.Namespace = "default"
	app.TypeMeta = metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment"}
	if err := direct.Patch(ctx, app, client.Apply, client.FieldOwner("operator"), client.ForceOwnership); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	if err := direct.DeleteAllOf(ctx, &appsv1.Deployment{}, client.InNamespace("default")); err != nil {
		return fmt.Errorf("deleting all: %w", err)
	}
	stop()
	return <-ended
}

func establish(ctx context.Context, direct client.Client) error {
	preserve := true
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets.clients.example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: widget.Group,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: widget.Kind},
			Scope: apiextensionsv1.NamespaceScoped,
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object",
					Properties: map[string]apiextensionsv1.JSONSchemaProps{
						"spec":   {Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"size": {Type: "integer"}}},
						"status": {Type: "object", XPreserveUnknownFields: &preserve},
					},
				}},
			}},
		},
	}
	if err := client.IgnoreAlreadyExists(direct.Create(ctx, crd)); err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		if err := direct.Get(ctx, client.ObjectKeyFromObject(crd), crd); err != nil {
			return false, err
		}
		for _, condition := range crd.Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
}

type operator struct{ client.Client }

func (o *operator) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	have := &unstructured.Unstructured{}
	have.SetGroupVersionKind(widget)
	if err := o.Get(ctx, request.NamespacedName, have); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !have.GetDeletionTimestamp().IsZero() {
		controllerutil.RemoveFinalizer(have, finalizer)
		return ctrl.Result{}, client.IgnoreNotFound(o.Update(ctx, have))
	}
	if controllerutil.AddFinalizer(have, finalizer) {
		if err := o.Update(ctx, have); err != nil {
			return ctrl.Result{}, err
		}
	}
	owned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: have.GetName(), Namespace: have.GetNamespace()}}
	if _, err := controllerutil.CreateOrUpdate(ctx, o.Client, owned, func() error {
		size, _, _ := unstructured.NestedInt64(have.Object, "spec", "size")
		owned.Data = map[string]string{"size": fmt.Sprint(size)}
		return controllerutil.SetControllerReference(have, owned, o.Scheme())
	}); err != nil {
		return ctrl.Result{}, err
	}
	before := have.DeepCopy()
	if err := unstructured.SetNestedField(have.Object, "Ready", "status", "phase"); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, o.Status().Patch(ctx, have, client.MergeFrom(before))
}
