// SPDX-License-Identifier: Apache-2.0

// Command policy DIR FILE... puts the objects of each FILE before the admission policies of DIR, as the API server
// does, and works out what the scheduler accounts, with the overhead of DIR's RuntimeClass kata, and what the kubelet
// tells the runtime. It prints a list of one JSON object per FILE.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	resourcehelper "k8s.io/component-helpers/resource"
	"sigs.k8s.io/yaml"
)

// The first release whose API server has what the policies want: nothing newer is known to the compiler.
var oldest = version.MajorMinor(1, 30)

type policy struct {
	name      string
	rules     []admissionv1.NamedRuleWithOperations
	action    admissionv1.ValidationAction
	validator validating.Validator
}

type amounts struct {
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
}

type account struct {
	Requests amounts `json:"requests"`
	Limits   amounts `json:"limits"`
}

type answer struct {
	File string `json:"file"`
	// What is said of an update that leaves the pod's template alone.
	Unchanged []string `json:"unchanged"`
	// What is said when a pod that is there is to have more memory.
	Resized []string        `json:"resized"`
	Deny    []string        `json:"deny"`
	Warn    []string        `json:"warn"`
	Errors  []string        `json:"errors"`
	Runc    account         `json:"runc"`
	Kata    account         `json:"kata"`
	Spec    json.RawMessage `json:"spec"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "policy:", err)
		os.Exit(1)
	}
}

// ---- policies ----

// compile does what the API server's plugin does with a policy; what does not compile is an error here.
func compile(p *admissionv1.ValidatingAdmissionPolicy) validating.Validator {
	env, err := cel.NewCompositionEnv(cel.VariablesTypeName,
		environment.MustBaseEnvSet(oldest, true))
	check(err)
	compiler := cel.NewCompositedCompilerFromTemplate(env)
	options := cel.OptionalVariableDeclarations{HasAuthorizer: true, StrictCost: true}
	for _, v := range p.Spec.Variables {
		result := compiler.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression},
			options, environment.NewExpressions)
		if result.Error != nil {
			check(fmt.Errorf("%s: variable %s: %v", p.Name, v.Name, result.Error))
		}
	}
	var conditions, validations, messages []cel.ExpressionAccessor
	for i := range p.Spec.MatchConditions {
		conditions = append(conditions, (*matchconditions.MatchCondition)(&p.Spec.MatchConditions[i]))
	}
	for _, v := range p.Spec.Validations {
		validations = append(validations, &validating.ValidationCondition{
			Expression: v.Expression, Message: v.Message, Reason: v.Reason})
		messages = append(messages, &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression})
	}
	all := func(expressions []cel.ExpressionAccessor, options cel.OptionalVariableDeclarations) cel.ConditionEvaluator {
		evaluator := compiler.CompileCondition(expressions, options, environment.NewExpressions)
		for _, err := range evaluator.CompilationErrors() {
			check(fmt.Errorf("%s: %v", p.Name, err))
		}
		return evaluator
	}
	return validating.NewValidator(all(validations, options),
		matchconditions.NewMatcher(all(conditions, options), p.Spec.FailurePolicy, "policy", "validate", p.Name),
		all(nil, options), all(messages, cel.OptionalVariableDeclarations{StrictCost: true}), p.Spec.FailurePolicy)
}

func documents(file string) [][]byte {
	text, err := os.ReadFile(file)
	check(err)
	return bytes.Split(text, []byte("\n---\n"))
}

// readClasses returns the overhead of each RuntimeClass, which is named as its handler.
func readClasses(file string) map[string]corev1.ResourceList {
	overheads := map[string]corev1.ResourceList{}
	for _, document := range documents(file) {
		var class nodev1.RuntimeClass
		check(yaml.UnmarshalStrict(document, &class))
		if class.Kind != "RuntimeClass" || class.Handler != class.Name {
			check(fmt.Errorf("%s: a %s %q with handler %q", file, class.Kind, class.Name, class.Handler))
		}
		overheads[class.Name] = nil
		if class.Overhead != nil {
			overheads[class.Name] = class.Overhead.PodFixed
		}
	}
	return overheads
}

func readPolicies(file string) []*policy {
	var policies []*policy
	for _, document := range documents(file) {
		var kind metav1.TypeMeta
		check(yaml.Unmarshal(document, &kind))
		switch kind.Kind {
		case "ValidatingAdmissionPolicy":
			var p admissionv1.ValidatingAdmissionPolicy
			check(yaml.UnmarshalStrict(document, &p))
			policies = append(policies, &policy{
				name: p.Name, rules: p.Spec.MatchConstraints.ResourceRules, validator: compile(&p)})
		case "ValidatingAdmissionPolicyBinding":
			var b admissionv1.ValidatingAdmissionPolicyBinding
			check(yaml.UnmarshalStrict(document, &b))
			for _, p := range policies {
				if p.name == b.Spec.PolicyName && len(b.Spec.ValidationActions) == 1 {
					p.action = b.Spec.ValidationActions[0]
				}
			}
		default:
			check(fmt.Errorf("%s: a %s", file, kind.Kind))
		}
	}
	return policies
}

// ---- objects ----

// readObject returns an object as the API server has it, and the pod that is made of it.
func readObject(text []byte) (runtime.Object, *corev1.Pod, schema.GroupVersionKind, error) {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(text, &kind); err != nil {
		return nil, nil, schema.GroupVersionKind{}, err
	}
	gvk := schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind)
	pod := &corev1.Pod{}
	var object runtime.Object
	var spec *corev1.PodSpec
	switch gvk.Kind {
	case "Pod":
		object, spec = pod, &pod.Spec
	case "Deployment":
		o := &appsv1.Deployment{}
		object, spec = o, &o.Spec.Template.Spec
	case "StatefulSet":
		o := &appsv1.StatefulSet{}
		object, spec = o, &o.Spec.Template.Spec
	case "DaemonSet":
		o := &appsv1.DaemonSet{}
		object, spec = o, &o.Spec.Template.Spec
	case "ReplicaSet":
		o := &appsv1.ReplicaSet{}
		object, spec = o, &o.Spec.Template.Spec
	case "Job":
		o := &batchv1.Job{}
		object, spec = o, &o.Spec.Template.Spec
	case "CronJob":
		o := &batchv1.CronJob{}
		object, spec = o, &o.Spec.JobTemplate.Spec.Template.Spec
	case "ReplicationController":
		o := &corev1.ReplicationController{Spec: corev1.ReplicationControllerSpec{
			Template: &corev1.PodTemplateSpec{}}}
		object, spec = o, &o.Spec.Template.Spec
	default:
		return nil, nil, gvk, fmt.Errorf("no %s", gvk.Kind)
	}
	if err := yaml.Unmarshal(text, object); err != nil {
		return nil, nil, gvk, err
	}
	if rc, ok := object.(*corev1.ReplicationController); ok {
		spec = &rc.Spec.Template.Spec
	}
	pod.Spec = *spec.DeepCopy()
	writeDefaults(pod)
	return object, pod, gvk, nil
}

func add(list *corev1.ResourceList, from corev1.ResourceList) {
	for name, quantity := range from {
		if *list == nil {
			*list = corev1.ResourceList{}
		}
		if _, there := (*list)[name]; !there {
			(*list)[name] = quantity.DeepCopy()
		}
	}
}

// writeDefaults fills in the requests that the API server fills in.
func writeDefaults(pod *corev1.Pod) {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			add(&containers[i].Resources.Requests, containers[i].Resources.Limits)
		}
	}
	whole := pod.Spec.Resources
	if whole == nil || len(whole.Limits) == 0 {
		return
	}
	add(&whole.Requests, resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{}))
	add(&whole.Requests, whole.Limits)
}

// ---- answers ----

// judge submits an object, or a subresource of it; with an old one it is an update.
func judge(p *policy, object, old runtime.Object, gvk schema.GroupVersionKind, sub string) []validating.PolicyDecision {
	resource := schema.GroupVersionResource{
		Group: gvk.Group, Version: gvk.Version, Resource: strings.ToLower(gvk.Kind) + "s"}
	operation := admission.Create
	if old != nil {
		operation = admission.Update
	}
	attributes := admission.NewAttributesRecord(object, old, gvk, "default", "name", resource, sub,
		operation, &metav1.CreateOptions{}, false, nil)
	if !slices.ContainsFunc(p.rules, func(r admissionv1.NamedRuleWithOperations) bool {
		matcher := rules.Matcher{Rule: r.RuleWithOperations, Attr: attributes}
		return matcher.Matches()
	}) {
		return nil
	}
	versioned := &admission.VersionedAttributes{
		Attributes: attributes, VersionedObject: object, VersionedOldObject: old, VersionedKind: gvk}
	return p.validator.Validate(context.Background(), resource, versioned, nil, nil,
		celconfig.RuntimeCELCostBudget, nil).Decisions
}

func judgeAll(policies []*policy, object runtime.Object, gvk schema.GroupVersionKind, a *answer) {
	for _, p := range policies {
		for _, d := range judge(p, object, nil, gvk, "") {
			switch {
			case d.Evaluation == validating.EvalError:
				a.Errors = append(a.Errors, d.Message)
			case d.Action != validating.ActionDeny:
			case p.action == admissionv1.Deny:
				a.Deny = append(a.Deny, d.Message)
			case p.action == admissionv1.Warn:
				a.Warn = append(a.Warn, d.Message)
			}
		}
		old := object.DeepCopyObject()
		old.(metav1.Object).SetLabels(map[string]string{"other": "label"})
		for _, d := range judge(p, object, old, gvk, "") {
			a.Unchanged = append(a.Unchanged, d.Message)
		}
		pod, ok := object.DeepCopyObject().(*corev1.Pod)
		if !ok {
			continue
		}
		resources := &pod.Spec.Containers[0].Resources
		resources.Limits = corev1.ResourceList{
			corev1.ResourceCPU: *resources.Limits.Cpu(), corev1.ResourceMemory: resource.MustParse("3Gi")}
		for _, d := range judge(p, pod, object, gvk, "resize") {
			if d.Action == validating.ActionDeny && p.action == admissionv1.Deny {
				a.Resized = append(a.Resized, d.Message)
			}
		}
	}
}

func whole(list corev1.ResourceList) amounts {
	return amounts{strconv.FormatInt(list.Cpu().MilliValue(), 10), strconv.FormatInt(list.Memory().Value(), 10)}
}

func accounted(pod *corev1.Pod, overhead corev1.ResourceList) account {
	options := resourcehelper.PodResourcesOptions{}
	pod = pod.DeepCopy()
	pod.Spec.Overhead = overhead
	return account{whole(resourcehelper.PodRequests(pod, options)), whole(resourcehelper.PodLimits(pod, options))}
}

func shares(milli int64) int64 {
	return min(max(milli*1024/1000, 2), 262144)
}

// sandboxOf is the document with which containerd has the pod made, as far as the rules want to know it.
func sandboxOf(pod *corev1.Pod, name string) json.RawMessage {
	options := resourcehelper.PodResourcesOptions{ExcludeOverhead: true}
	requests, limits := resourcehelper.PodRequests(pod, options), resourcehelper.PodLimits(pod, options)
	quota := int64(0)
	if cpu := limits.Cpu().MilliValue(); cpu > 0 {
		quota = max(cpu*100, 1000)
	}
	namespaces := []map[string]string{{"type": "pid"}}
	if !pod.Spec.HostNetwork {
		namespaces = append(namespaces, map[string]string{"type": "network"})
	}
	text := func(n int64) string { return strconv.FormatInt(n, 10) }
	document, err := json.Marshal(map[string]any{
		"ociVersion": "1.2.0",
		"process":    map[string]any{"cwd": "/", "args": []string{"/pause"}},
		"root":       map[string]any{"path": "rootfs"},
		"linux":      map[string]any{"namespaces": namespaces},
		"annotations": map[string]string{
			"io.kubernetes.cri.container-type":     "sandbox",
			"io.kubernetes.cri.sandbox-name":       name,
			"io.kubernetes.cri.sandbox-cpu-period": "100000",
			"io.kubernetes.cri.sandbox-cpu-quota":  text(quota),
			"io.kubernetes.cri.sandbox-cpu-shares": text(shares(requests.Cpu().MilliValue())),
			"io.kubernetes.cri.sandbox-memory":     text(limits.Memory().Value()),
		},
	})
	check(err)
	return document
}

func main() {
	if len(os.Args) < 3 {
		check(fmt.Errorf("usage: policy DIR FILE..."))
	}
	policies := readPolicies(filepath.Join(os.Args[1], "admission-policy.yaml"))
	overheads := readClasses(filepath.Join(os.Args[1], "runtime-classes.yaml"))
	answers := []*answer{}
	for _, file := range os.Args[2:] {
		text, err := os.ReadFile(file)
		check(err)
		a := &answer{File: file, Deny: []string{}, Warn: []string{}, Errors: []string{}, Unchanged: []string{},
			Resized: []string{}}
		object, pod, gvk, err := readObject(text)
		if err != nil {
			check(fmt.Errorf("%s: %v", file, err))
		}
		meta := object.(metav1.Object)
		judgeAll(policies, object, gvk, a)
		a.Runc, a.Kata = accounted(pod, overheads["runc"]), accounted(pod, overheads["kata"])
		a.Spec = sandboxOf(pod, meta.GetName())
		answers = append(answers, a)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	check(encoder.Encode(answers))
}
