package nodes

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var start = metav1.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func podOf(policy v1.RestartPolicy, fault string) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Generation: 1, Annotations: map[string]string{FaultAnnotation: fault}},
		Spec:       v1.PodSpec{RestartPolicy: policy, Containers: []v1.Container{{Name: "b"}, {Name: "a"}}},
	}
}

// lives returns what the pod reports at its start and once its run time is over.
func lives(pod *v1.Pod) (first, last v1.PodStatus) {
	first = wantStatus(pod, "10.244.0.2", "10.1.0.2", start)
	pod.Status = first
	return first, wantStatus(pod, "10.244.0.9", "10.1.0.9", metav1.NewTime(start.Add(runTime)))
}

func isReady(status v1.PodStatus) bool {
	for _, condition := range status.Conditions {
		if condition.Type == v1.PodReady {
			return condition.Status == v1.ConditionTrue
		}
	}
	return false
}

func TestEveryFaultRunsItsCourse(t *testing.T) {
	for _, c := range []struct {
		policy v1.RestartPolicy
		fault  string
		first  v1.PodPhase
		last   v1.PodPhase
		ready  bool
	}{
		{v1.RestartPolicyAlways, "", v1.PodRunning, v1.PodRunning, true},
		{v1.RestartPolicyAlways, FaultFailJob, v1.PodRunning, v1.PodRunning, true},
		{v1.RestartPolicyAlways, FaultCrashLoop, v1.PodRunning, v1.PodRunning, false},
		{v1.RestartPolicyAlways, FaultImagePull, v1.PodPending, v1.PodPending, false},
		{v1.RestartPolicyAlways, FaultNotReady, v1.PodRunning, v1.PodRunning, false},
		{v1.RestartPolicyNever, "", v1.PodRunning, v1.PodSucceeded, true},
		{v1.RestartPolicyOnFailure, FaultFailJob, v1.PodRunning, v1.PodFailed, true},
		{v1.RestartPolicyNever, FaultNotReady, v1.PodRunning, v1.PodRunning, false},
	} {
		first, last := lives(podOf(c.policy, c.fault))
		if first.Phase != c.first || last.Phase != c.last || isReady(first) != c.ready {
			t.Errorf("%s %q: have %s (ready: %t), then %s; want %s (ready: %t), then %s",
				c.policy, c.fault, first.Phase, isReady(first), last.Phase, c.first, c.ready, c.last)
		}
	}
}

func TestAPodAtRestIsReportedUnchanged(t *testing.T) {
	for _, fault := range []string{"", FaultCrashLoop, FaultImagePull, FaultNotReady} {
		first, last := lives(podOf(v1.RestartPolicyAlways, fault))
		if !equality.Semantic.DeepEqual(first, last) {
			t.Errorf("%q: have %+v, want %+v", fault, last, first)
		}
	}
}

func TestAPodRecoversWhenItsFaultIsTaken(t *testing.T) {
	ill := podOf(v1.RestartPolicyAlways, FaultCrashLoop)
	ill.Status, _ = lives(ill)
	delete(ill.Annotations, FaultAnnotation)
	if _, well := lives(ill); !isReady(well) {
		t.Errorf("have %+v, want it ready", well)
	}
}
