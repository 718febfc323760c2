// Package nodes stands in for the scheduler and the kubelets: pods are bound to
// Node objects that nothing backs, and their status tells of containers that do
// not exist. Deployments become available and Jobs complete by the real
// controllers' reckoning.
//
// Left out: resources, taints, spreading, preferences, readiness gates, probes,
// grace periods, volumes, events and heartbeats. Node selectors and required
// node affinity are honoured, for a DaemonSet's pods name their node that way.
package nodes

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/util/pod"
)

const (
	// workers wait for the API server most of their time; more would only crowd it.
	workers = 8
	// retryUnschedulable is how soon a new or relabelled node is noticed by pods none would have.
	retryUnschedulable = time.Second
)

// Register creates the nodes `node-1` to `node-<count>`, ready for good.
func Register(ctx context.Context, client kubernetes.Interface, count int) error {
	for i := 1; i <= count; i++ {
		_, err := client.CoreV1().Nodes().Create(ctx, node(i), metav1.CreateOptions{})
		if err != nil && !errors.IsAlreadyExists(err) {
			return fmt.Errorf("cannot create node %d: %w", i, err)
		}
	}
	return nil
}

func node(i int) *v1.Node {
	name := fmt.Sprintf("node-%d", i)
	capacity := v1.ResourceList{
		v1.ResourceCPU:              resource.MustParse("64"),
		v1.ResourceMemory:           resource.MustParse("256Gi"),
		v1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		v1.ResourcePods:             resource.MustParse("10000"),
	}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			v1.LabelHostname: name, v1.LabelOSStable: "linux", v1.LabelArchStable: "amd64",
		}},
		Status: v1.NodeStatus{
			Capacity:    capacity,
			Allocatable: capacity,
			Addresses: []v1.NodeAddress{
				{Type: v1.NodeInternalIP, Address: fmt.Sprintf("10.1.%d.%d", i/250, i%250+1)},
				{Type: v1.NodeHostName, Address: name},
			},
			Conditions: []v1.NodeCondition{
				nodeCondition(v1.NodeReady, v1.ConditionTrue, "KubeletReady"),
				nodeCondition(v1.NodeMemoryPressure, v1.ConditionFalse, "KubeletHasSufficientMemory"),
				nodeCondition(v1.NodeDiskPressure, v1.ConditionFalse, "KubeletHasNoDiskPressure"),
				nodeCondition(v1.NodePIDPressure, v1.ConditionFalse, "KubeletHasSufficientPID"),
			},
			NodeInfo: v1.NodeSystemInfo{
				Architecture: "amd64", OperatingSystem: "linux", OSImage: "simulated",
				KubeletVersion: "v1.35.4", ContainerRuntimeVersion: "simulated://0",
			},
		},
	}
}

func nodeCondition(kind v1.NodeConditionType, status v1.ConditionStatus, reason string) v1.NodeCondition {
	now := metav1.Now()
	return v1.NodeCondition{
		Type: kind, Status: status, Reason: reason, LastHeartbeatTime: now, LastTransitionTime: now,
	}
}

// Kubelets moves every pod of the cluster along.
type Kubelets struct {
	client  kubernetes.Interface
	lastPod atomic.Uint32
}

// New returns the kubelets of the cluster `config` points to.
func New(config *rest.Config) (*Kubelets, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "kubelet" // It names the owner in managedFields.
	client, err := kubernetes.NewForConfig(config)
	return &Kubelets{client: client}, err
}

// watch is what one Run knows of the cluster.
type watch struct {
	*Kubelets
	pods  corelisters.PodLister
	nodes corelisters.NodeLister
	queue workqueue.TypedRateLimitingInterface[string]
}

// Run follows all pods until the context ends, and may then be called again.
func (k *Kubelets) Run(ctx context.Context) {
	factory := informers.NewSharedInformerFactory(k.client, 0)
	w := &watch{
		Kubelets: k,
		pods:     factory.Core().V1().Pods().Lister(),
		nodes:    factory.Core().V1().Nodes().Lister(),
		queue:    workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
	}
	w.enqueueFrom(factory.Core().V1().Pods().Informer())
	factory.Core().V1().Nodes().Informer()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	var group sync.WaitGroup
	for range workers {
		group.Go(func() { w.work(ctx) })
	}
	<-ctx.Done()
	w.queue.ShutDown()
	group.Wait()
	factory.Shutdown()
}

func (w *watch) enqueueFrom(pods cache.SharedIndexInformer) {
	enqueue := func(object any) {
		if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
			w.queue.Add(key)
		}
	}
	_, _ = pods.AddEventHandler(cache.ResourceEventHandlerFuncs{ // It fails on a stopped informer alone.
		AddFunc:    enqueue,
		UpdateFunc: func(_, object any) { enqueue(object) },
	})
}

func (w *watch) work(ctx context.Context) {
	for {
		key, shutdown := w.queue.Get()
		if shutdown {
			return
		}
		again, err := w.step(ctx, key)
		if err != nil {
			klog.Warningf("pod %s: %v", key, err)
			w.queue.AddRateLimited(key)
		} else {
			w.queue.Forget(key)
		}
		if again > 0 {
			w.queue.AddAfter(key, again)
		}
		w.queue.Done(key)
	}
}

// step moves one pod along and says when to look at it again, 0 meaning at its next change.
func (w *watch) step(ctx context.Context, key string) (time.Duration, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return 0, err
	}
	have, err := w.pods.Pods(namespace).Get(name)
	switch {
	case errors.IsNotFound(err):
		return 0, nil
	case err != nil:
		return 0, err
	case have.DeletionTimestamp != nil:
		return 0, w.remove(ctx, have)
	case podutil.IsPodTerminal(have):
		return 0, nil
	case have.Spec.NodeName == "":
		return w.schedule(ctx, have)
	default:
		return w.report(ctx, have)
	}
}

// remove lets a deleted pod go at once. Finalizers may hold it; then it has been said once and that is enough.
func (w *watch) remove(ctx context.Context, have *v1.Pod) error {
	if grace := have.DeletionGracePeriodSeconds; grace != nil && *grace == 0 {
		return nil
	}
	now := int64(0)
	err := w.client.CoreV1().Pods(have.Namespace).Delete(ctx, have.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now,
		Preconditions:      metav1.NewUIDPreconditions(string(have.UID)),
	})
	if errors.IsNotFound(err) {
		return nil
	}
	return err
}

func (w *watch) schedule(ctx context.Context, have *v1.Pod) (time.Duration, error) {
	if have.Spec.SchedulerName != v1.DefaultSchedulerName || len(have.Spec.SchedulingGates) > 0 {
		return 0, nil
	}
	node, err := w.pick(have)
	if err != nil {
		return 0, err
	}
	if node == "" {
		return retryUnschedulable, w.patch(ctx, have, unschedulable(have, metav1.Now()))
	}
	return 0, w.client.CoreV1().Pods(have.Namespace).Bind(ctx, &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: have.Namespace, Name: have.Name, UID: have.UID},
		Target:     v1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
}

// pick returns the node for a pod, or "" when none will do. It goes by the pod's
// UID, so that pods spread and the order they are seen in does not matter.
func (w *watch) pick(have *v1.Pod) (string, error) {
	if have.Annotations[FaultAnnotation] == FaultPending {
		return "", nil
	}
	all, err := w.nodes.List(labels.Everything())
	if err != nil {
		return "", err
	}
	affinity := nodeaffinity.GetRequiredNodeAffinity(have)
	best, bestScore := "", uint32(0)
	for _, node := range all {
		if fits, err := affinity.Match(node); err != nil || !fits {
			continue
		}
		if score := score(have, node); best == "" || score > bestScore {
			best, bestScore = node.Name, score
		}
	}
	return best, nil
}

func score(have *v1.Pod, node *v1.Node) uint32 {
	hash := fnv.New32a()
	hash.Write([]byte(node.Name))
	hash.Write([]byte(have.UID))
	return hash.Sum32()
}

func (w *watch) report(ctx context.Context, have *v1.Pod) (time.Duration, error) {
	want := wantStatus(have, w.podIP(have), w.hostIP(have.Spec.NodeName), metav1.Now())
	if err := w.patch(ctx, have, want); err != nil {
		return 0, err
	}
	if finishes(have) && want.Phase == v1.PodRunning {
		return runTime, nil
	}
	return 0, nil
}

// podIP takes a fresh address for a pod that has none.
func (w *watch) podIP(have *v1.Pod) string {
	if have.Status.PodIP != "" {
		return have.Status.PodIP
	}
	n := w.lastPod.Add(1)
	return fmt.Sprintf("10.244.%d.%d", n/250%250, n%250+1)
}

// hostIP is "" for a pod bound by hand to a node that does not exist.
func (w *watch) hostIP(name string) string {
	node, err := w.nodes.Get(name)
	if err != nil || len(node.Status.Addresses) == 0 {
		return ""
	}
	return node.Status.Addresses[0].Address
}

func (w *watch) patch(ctx context.Context, have *v1.Pod, want v1.PodStatus) error {
	_, _, _, err := pod.PatchPodStatus(ctx, w.client, have.Namespace, have.Name, have.UID, have.Status, want)
	return err
}
