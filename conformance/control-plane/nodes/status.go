package nodes

import (
	"cmp"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// FaultAnnotation on a pod names what goes wrong with it. It may be set and
// removed at any time: the pod falls ill and recovers.
const FaultAnnotation = "sim.bowline.dev/fault"

// The faults. Any other value is as good as none.
const (
	FaultCrashLoop = "crashloop" // Its containers keep exiting with 1.
	FaultImagePull = "imagepull" // Its images cannot be pulled.
	FaultPending   = "pending"   // No node will have it.
	FaultNotReady  = "notready"  // It runs, is never ready, and never finishes.
	FaultFailJob   = "fail-job"  // It ends with exit code 1, if it is one that ends.
)

// runTime is how long a pod that finishes runs for. API times are whole
// seconds, so it really runs for anything up to this.
const runTime = time.Second

// finishes tells pods that do work and end, those of Jobs and Helm tests, from
// those that serve: nothing else in a pod says so.
func finishes(pod *v1.Pod) bool {
	return pod.Spec.RestartPolicy != v1.RestartPolicyAlways
}

// outcome is what has become of all the containers of a pod together.
type outcome struct {
	phase    v1.PodPhase
	ready    bool
	state    v1.ContainerState
	last     v1.ContainerState
	restarts int32
}

// decide is the whole life of a pod, as a function of the pod and the time.
func decide(pod *v1.Pod, started, now metav1.Time) outcome {
	running := v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: started}}
	fault := pod.Annotations[FaultAnnotation]
	switch fault {
	case FaultImagePull:
		return outcome{phase: v1.PodPending, state: waiting("ImagePullBackOff", "Back-off pulling image")}
	case FaultCrashLoop:
		return outcome{
			phase:    v1.PodRunning,
			state:    waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container"),
			last:     exited(1, started, started),
			restarts: 5, // It does not grow, so that a cluster at rest is quiet.
		}
	case FaultNotReady:
		return outcome{phase: v1.PodRunning, state: running}
	}
	// Every pod is seen running once, however late its start was noticed.
	due := pod.Status.Phase == v1.PodRunning && now.Sub(started.Time) >= runTime
	switch {
	case !finishes(pod) || !due:
		return outcome{phase: v1.PodRunning, ready: true, state: running}
	case fault == FaultFailJob:
		return outcome{phase: v1.PodFailed, state: exited(1, started, now)}
	default:
		return outcome{phase: v1.PodSucceeded, state: exited(0, started, now)}
	}
}

func waiting(reason, message string) v1.ContainerState {
	return v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func exited(code int32, started, finished metav1.Time) v1.ContainerState {
	reason := "Completed"
	if code != 0 {
		reason = "Error"
	}
	return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, StartedAt: started, FinishedAt: finished,
	}}
}

// wantStatus returns the status a kubelet would report for a pod bound to it.
// Asked again of a pod that already has this status, it changes nothing.
func wantStatus(pod *v1.Pod, podIP, hostIP string, now metav1.Time) v1.PodStatus {
	want := *pod.Status.DeepCopy()
	if want.StartTime == nil {
		want.StartTime = &now
	}
	if want.PodIP == "" {
		want.PodIP, want.PodIPs = podIP, []v1.PodIP{{IP: podIP}}
	}
	if want.HostIP == "" && hostIP != "" {
		want.HostIP, want.HostIPs = hostIP, []v1.HostIP{{IP: hostIP}}
	}
	out := decide(pod, *want.StartTime, now)
	want.Phase = out.phase
	want.ObservedGeneration = pod.Generation
	want.ContainerStatuses = containerStatuses(pod, out)
	want.InitContainerStatuses = initContainerStatuses(pod, out, *want.StartTime)
	for _, condition := range conditions(out) {
		condition.ObservedGeneration = pod.Generation
		setCondition(&want, condition, now)
	}
	return want
}

// unschedulable returns the status the scheduler would give a pod that no node fits.
func unschedulable(pod *v1.Pod, now metav1.Time) v1.PodStatus {
	want := *pod.Status.DeepCopy()
	setCondition(&want, v1.PodCondition{
		Type:    v1.PodScheduled,
		Status:  v1.ConditionFalse,
		Reason:  v1.PodReasonUnschedulable,
		Message: "no node fits",

		ObservedGeneration: pod.Generation,
	}, now)
	return want
}

func conditions(out outcome) []v1.PodCondition {
	ready := v1.PodCondition{Status: v1.ConditionTrue}
	switch {
	case out.phase == v1.PodSucceeded:
		ready = v1.PodCondition{Status: v1.ConditionFalse, Reason: "PodCompleted"}
	case out.phase == v1.PodFailed:
		ready = v1.PodCondition{Status: v1.ConditionFalse, Reason: "PodFailed"}
	case !out.ready:
		ready = v1.PodCondition{Status: v1.ConditionFalse, Reason: "ContainersNotReady"}
	}
	containersReady := ready
	ready.Type, containersReady.Type = v1.PodReady, v1.ContainersReady
	return []v1.PodCondition{
		{Type: v1.PodReadyToStartContainers, Status: v1.ConditionTrue},
		{Type: v1.PodInitialized, Status: v1.ConditionTrue},
		ready,
		containersReady,
	}
}

// setCondition keeps the transition time of a condition whose status stays.
func setCondition(status *v1.PodStatus, want v1.PodCondition, now metav1.Time) {
	want.LastTransitionTime = now
	i, have := podutil.GetPodCondition(status, want.Type)
	if have == nil {
		status.Conditions = append(status.Conditions, want)
		return
	}
	if have.Status == want.Status {
		want.LastTransitionTime = have.LastTransitionTime
	}
	status.Conditions[i] = want
}

func containerStatuses(pod *v1.Pod, out outcome) []v1.ContainerStatus {
	var statuses []v1.ContainerStatus
	for _, container := range pod.Spec.Containers {
		status := containerStatus(pod, container, out.state)
		status.Ready = out.ready
		status.RestartCount = out.restarts
		status.LastTerminationState = out.last
		statuses = append(statuses, status)
	}
	return sorted(statuses)
}

// initContainerStatuses reports init containers as done and sidecars as running as long as the pod does.
func initContainerStatuses(pod *v1.Pod, out outcome, started metav1.Time) []v1.ContainerStatus {
	over := out.phase == v1.PodSucceeded || out.phase == v1.PodFailed
	var statuses []v1.ContainerStatus
	for _, container := range pod.Spec.InitContainers {
		state := exited(0, started, started)
		if podutil.IsRestartableInitContainer(&container) && !over {
			state = v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: started}}
		}
		status := containerStatus(pod, container, state)
		status.Ready = !over || !podutil.IsRestartableInitContainer(&container)
		statuses = append(statuses, status)
	}
	return statuses
}

func containerStatus(pod *v1.Pod, container v1.Container, state v1.ContainerState) v1.ContainerStatus {
	started := state.Running != nil
	status := v1.ContainerStatus{Name: container.Name, Image: container.Image, State: state, Started: &started}
	if state.Waiting == nil || state.Waiting.Reason == "CrashLoopBackOff" {
		status.ImageID = container.Image
		status.ContainerID = "simulated://" + string(pod.UID) + "/" + container.Name
	}
	return status
}

// sorted puts containers in the kubelet's order, which is by name and not the spec's.
func sorted(statuses []v1.ContainerStatus) []v1.ContainerStatus {
	slices.SortFunc(statuses, func(a, b v1.ContainerStatus) int { return cmp.Compare(a.Name, b.Name) })
	return statuses
}
