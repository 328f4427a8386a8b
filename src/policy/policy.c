/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A policy has variables, evaluated when they are first used: what the pod asks for, as whole
 * numbers of thousandths of a core and of bytes, and the same as text. A row of the rule book
 * becomes a validation: its condition and its message, in which the words in braces are variables.
 * There are two policies, for a binding either refuses or warns.
 *
 * The sums are those of contract/account.c; CEL has neither functions nor loops, so what a
 * container asks for is written out wherever it is wanted.
 *
 * Source: k8s.io/apiserver pkg/cel/library; cel.dev
 */
#include "policy/policy.h"

#include <inttypes.h>
#include <string.h>

#include "contract/rules.h"

#define NOTE "# Generated from the rule book (src/contract/rules.c) by `./dev policy`.\n"

#define POD_SPEC(object)                                                     \
	"dyn(" object ").kind == 'Pod' ? dyn(" object ").spec : dyn(" object \
	").kind == 'CronJob' ? "                                             \
	"dyn(" object ").spec.jobTemplate.spec.template.spec : dyn(" object ").spec.template.spec"

static const char *const sides[2] = { "Request", "Limit" };

/* ---- runtime classes ------------------------------------------------------------------------- */

static void write_runtime_classes(struct bh_buf *out)
{
	char cpu[BH_AMOUNT_BYTES], memory[BH_AMOUNT_BYTES];

	bh_buf_printf(out,
		      "# The runtimes as pods choose them: runtimeClassName.\n" NOTE
		      "apiVersion: node.k8s.io/v1\n"
		      "kind: RuntimeClass\n"
		      "metadata:\n"
		      "  name: kata\n"
		      "handler: kata\n"
		      "overhead:\n"
		      "  podFixed:\n"
		      "    cpu: %s\n"
		      "    memory: %s\n"
		      "scheduling:\n"
		      "  # Nodes on which `bulkhead check kata` says that they are fit.\n"
		      "  nodeSelector:\n"
		      "    bulkhead.io/kata: \"true\"\n"
		      "  # Such nodes may be kept for these pods by a taint of this name.\n"
		      "  tolerations:\n"
		      "  - key: bulkhead.io/kata\n"
		      "    operator: Exists\n"
		      "    effect: NoSchedule\n"
		      "---\n"
		      "apiVersion: node.k8s.io/v1\n"
		      "kind: RuntimeClass\n"
		      "metadata:\n"
		      "  name: runc\n"
		      "handler: runc\n",
		      bh_amount_format(BH_RESOURCE_CPU, BH_POD_CPU_OVERHEAD, cpu),
		      bh_amount_format(BH_RESOURCE_MEMORY, BH_POD_MEMORY_OVERHEAD, memory));
}

/* ---- amounts --------------------------------------------------------------------------------- */

/* A quantity as the rule book's whole number, rounded up. */
static void write_number(struct bh_buf *out, enum bh_resource r, const char *value)
{
	if (r == BH_RESOURCE_CPU)
		bh_buf_printf(out,
			      "int(quantity(string(%s)).asApproximateFloat() * 1000.0 + 0.999999)",
			      value);
	else
		bh_buf_printf(
			out,
			"(quantity(string(%s)).isInteger() ? quantity(string(%s)).asInteger() : "
			"int(quantity(string(%s)).asApproximateFloat()) + 1)",
			value, value, value);
}

/* What container @c asks for; a request that is not given is the limit. */
static void write_amount(struct bh_buf *out, enum bh_resource r, int side, char c)
{
	const char *name = bh_resource_names[r];
	char value[160];

	if (side == 0)
		snprintf(value, sizeof(value),
			 "%c.?resources.?requests[?'%s'].or(%c.?resources.?limits[?'%s']).orValue('"
			 "0')",
			 c, name, c, name);
	else
		snprintf(value, sizeof(value), "%c.?resources.?limits[?'%s'].orValue('0')", c,
			 name);
	write_number(out, r, value);
}

#define INDENT "      "

/* The containers with the sidecars, or what is needed before they start: the larger one. */
static void write_sum(struct bh_buf *out, enum bh_resource r, int side)
{
	bh_buf_printf(out, "  - name: %s%sSum\n    expression: |-\n", bh_resource_names[r],
		      sides[side]);
	bh_buf_puts(out, INDENT "([([0] + variables.spec.containers.map(c,\n" INDENT "  ");
	write_amount(out, r, side, 'c');
	bh_buf_puts(out, ")).sum()\n" INDENT "+ ([0] + variables.sidecars.map(c,\n" INDENT "  ");
	write_amount(out, r, side, 'c');
	bh_buf_puts(out, ")).sum()]\n" INDENT "+ variables.inits.map(c,\n" INDENT "  ");
	write_amount(out, r, side, 'c');
	bh_buf_puts(out,
		    "\n" INDENT
		    "  + ([0] + variables.sidecars.filter(s, variables.names.indexOf(s.name) < "
		    "variables.names.indexOf(c.name)).map(s,\n" INDENT "    ");
	write_amount(out, r, side, 's');
	bh_buf_puts(out, ")).sum())).max()\n");
}

/* What is said of the pod as a whole goes before the sum. */
static void write_total(struct bh_buf *out, enum bh_resource r, int side)
{
	const char *name = bh_resource_names[r];
	char request[96], limit[96], sum[64];

	snprintf(request, sizeof(request), "variables.spec.?resources.?requests[?'%s']", name);
	snprintf(limit, sizeof(limit), "variables.spec.?resources.?limits[?'%s']", name);
	snprintf(sum, sizeof(sum), "variables.%s%sSum", name, sides[side]);
	bh_buf_printf(out, "  - name: %s%s\n    expression: |-\n" INDENT, name, sides[side]);
	if (side == 0) {
		bh_buf_printf(out, "%s.hasValue() ?\n" INDENT "  ", request);
		snprintf(request + strlen(request), sizeof(request) - strlen(request), ".value()");
		write_number(out, r, request);
		bh_buf_printf(out, "\n" INDENT ": %s.hasValue() && %s == 0 ?\n" INDENT "  ", limit,
			      sum);
	} else {
		bh_buf_printf(out, "%s.hasValue() ?\n" INDENT "  ", limit);
	}
	snprintf(limit + strlen(limit), sizeof(limit) - strlen(limit), ".value()");
	write_number(out, r, limit);
	bh_buf_printf(out, "\n" INDENT ": %s\n", sum);
}

/* As bh_amount_format(). */
static void write_text(struct bh_buf *out, enum bh_resource r, int side)
{
	char v[64];

	snprintf(v, sizeof(v), "variables.%s%s", bh_resource_names[r], sides[side]);
	bh_buf_printf(out, "  - name: %s%sText\n    expression: |-\n", bh_resource_names[r],
		      sides[side]);
	if (r == BH_RESOURCE_CPU) {
		bh_buf_printf(out,
			      INDENT "%s %% 1000 == 0 ? string(%s / 1000) : string(%s) + 'm'\n", v,
			      v, v);
		return;
	}
	bh_buf_printf(out, INDENT "%s == 0 ? '0'\n", v);
	for (size_t i = 0; i < bh_n_memory_units; i++)
		bh_buf_printf(out,
			      INDENT ": %s %% %" PRId64 " == 0 ? string(%s / %" PRId64 ") + '%s'\n",
			      v, bh_memory_units[i].bytes, v, bh_memory_units[i].bytes,
			      bh_memory_units[i].suffix);
	bh_buf_printf(out, INDENT ": string(%s)\n", v);
}

static void write_variables(struct bh_buf *out)
{
	bh_buf_puts(
		out,
		"  variables:\n"
		"  - name: spec\n"
		"    expression: \"" POD_SPEC(
			"object") "\"\n"
				  "  - name: who\n"
				  "    expression: |-\n" INDENT "object.kind.lowerAscii() + ' \"' "
				  "+ object.metadata.?name.orValue("
				  "object.metadata.?generateName.orValue('')) + '\": kata: '\n"
				  "  - name: hostNetwork\n"
				  "    expression: \"variables.spec.?hostNetwork.orValue(false) == "
				  "true\"\n"
				  "  - name: inits\n"
				  "    expression: \"variables.spec.?initContainers.orValue([])\"\n"
				  "  - name: names\n"
				  "    expression: \"variables.inits.map(c, c.name)\"\n"
				  "  - name: sidecars\n"
				  "    expression: \"variables.inits.filter(c, "
				  "c.?restartPolicy.orValue('') == "
				  "'Always')\"\n"
				  "  # cpu in thousandths of a core, memory in bytes\n");
	for (int r = 0; r < BH_RESOURCE_MAX_; r++)
		for (int side = 0; side < 2; side++) {
			write_sum(out, (enum bh_resource)r, side);
			write_total(out, (enum bh_resource)r, side);
			write_text(out, (enum bh_resource)r, side);
		}
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* {@name} as a variable or number; as text with @text. */
static void write_word(struct bh_buf *out, enum bh_resource r, const char *name, size_t len,
		       bool text)
{
	static const struct {
		const char *name;
		const char *variable; /* NULL = of the resource at hand */
		int side;
	} words[] = {
		{ "request", NULL, 0 },
		{ "limit", NULL, 1 },
		{ "cpu", "cpu", 1 },
		{ "memory", "memory", 1 },
	};
	char least[BH_AMOUNT_BYTES];

	if (len == strlen("resource") && strncmp(name, "resource", len) == 0)
		bh_buf_printf(out, "'%s'", bh_resource_names[r]);
	else if (len == strlen("least") && strncmp(name, "least", len) == 0 && text)
		bh_buf_printf(out, "'%s'", bh_amount_format(r, bh_pod_min.v[r], least));
	else if (len == strlen("least") && strncmp(name, "least", len) == 0)
		bh_buf_printf(out, "%" PRId64, bh_pod_min.v[r]);
	for (size_t i = 0; i < BH_ARRAY_SIZE(words); i++)
		if (strlen(words[i].name) == len && strncmp(words[i].name, name, len) == 0)
			bh_buf_printf(out, "variables.%s%s%s",
				      words[i].variable ? words[i].variable : bh_resource_names[r],
				      sides[words[i].side], text ? "Text" : "");
}

static void write_condition(struct bh_buf *out, enum bh_resource r, const char *cel)
{
	while (*cel) {
		size_t len = strcspn(cel, *cel == '{' ? "}" : "{");

		if (*cel == '{')
			write_word(out, r, cel + 1, len - 1, false);
		else
			bh_buf_add(out, cel, len);
		cel += len + (*cel == '{');
	}
}

/* A text with words in braces as a sum of strings; its quotes are escaped. */
static void write_message(struct bh_buf *out, enum bh_resource r, const char *text)
{
	bh_buf_puts(out, "variables.who");
	while (*text) {
		size_t len = strcspn(text, *text == '{' ? "}" : "{");
		bool word = *text == '{';

		bh_buf_puts(out, " + ");
		if (word)
			write_word(out, r, text + 1, len - 1, true);
		else
			bh_buf_printf(out, "\"%.*s\"", (int)len, text);
		text += len + word;
	}
	bh_buf_puts(out, "\n");
}

static void write_validation(struct bh_buf *out, const struct bh_rule_row *row, enum bh_resource r)
{
	bh_buf_puts(out, "  - expression: |-\n" INDENT "!(");
	write_condition(out, r, row->cel);
	bh_buf_puts(out, ")\n    messageExpression: |-\n" INDENT);
	write_message(out, r, row->text);
	bh_buf_printf(out, "    message: \"kata: %s\"\n    reason: Invalid\n",
		      bh_rules[row->rule].name);
}

#define MEMORY_LIMITS(object)                                                                \
	"(" object ".spec.containers + " object ".spec.?initContainers.orValue([])).map(c, " \
	"string(c.?resources.?limits[?'memory'].orValue('')))"

/* Of no pod that is there can the size of the VM change; how much of its processors it may use can.
 */
static void write_resize(struct bh_buf *out)
{
	bh_buf_puts(out,
		    "  - expression: |-\n" INDENT
		    "request.?subResource.orValue('') != 'resize' ||\n" INDENT MEMORY_LIMITS(
			    "dyn(object)") " ==\n" INDENT MEMORY_LIMITS("dyn(oldObject)") "\n");
	bh_buf_puts(out, "    messageExpression: |-\n" INDENT
			 "variables.who + \"memory cannot change while the pod runs; the size of "
			 "its VM is fixed\"\n"
			 "    message: \"kata: resize\"\n    reason: Invalid\n");
}

/* ---- policies -------------------------------------------------------------------------------- */

static bool is_advice(const struct bh_rule_row *row)
{
	return row->advice || bh_rules[row->rule].fallback != BH_RULE_ENFORCE;
}

static void write_head(struct bh_buf *out, const char *name, const char *failure)
{
	bh_buf_printf(out,
		      "apiVersion: admissionregistration.k8s.io/v1\n"
		      "kind: ValidatingAdmissionPolicy\n"
		      "metadata:\n"
		      "  name: %s\n"
		      "spec:\n"
		      "  failurePolicy: %s\n"
		      "  matchConstraints:\n"
		      "    resourceRules:\n"
		      "    # A pod's resources change by this alone once it is there.\n"
		      "    - {apiGroups: [\"\"], apiVersions: [v1], operations: [UPDATE], "
		      "resources: [pods/resize]}\n"
		      "    - {apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE], "
		      "resources: [pods]}\n"
		      "    - {apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE, UPDATE], "
		      "resources: "
		      "[replicationcontrollers]}\n"
		      "    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], "
		      "resources: "
		      "[deployments, statefulsets, daemonsets, replicasets]}\n"
		      "    - {apiGroups: [batch], apiVersions: [v1], operations: [CREATE, UPDATE], "
		      "resources: "
		      "[jobs, cronjobs]}\n"
		      "  matchConditions:\n"
		      "  - name: kata\n"
		      "    expression: |-\n" INDENT
		      "(" POD_SPEC("object") ").?runtimeClassName.orValue('') == "
					     "'kata'\n"
					     "  # What was there before the policy can still be "
					     "scaled and deleted.\n"
					     "  - name: new-template\n"
					     "    expression: |-\n" INDENT
					     "oldObject == null ||\n" INDENT
					     "(" POD_SPEC("object") ") !=\n" INDENT
								    "(" POD_SPEC("oldObject") ")\n",
		      name, failure);
}

static void write_binding(struct bh_buf *out, const char *name, const char *action)
{
	bh_buf_printf(out,
		      "---\n"
		      "apiVersion: admissionregistration.k8s.io/v1\n"
		      "kind: ValidatingAdmissionPolicyBinding\n"
		      "metadata:\n"
		      "  name: %s\n"
		      "spec:\n"
		      "  policyName: %s\n"
		      "  validationActions: [%s]\n",
		      name, name, action);
}

static void write_policy(struct bh_buf *out, const char *name, bool advice)
{
	write_head(out, name, advice ? "Ignore" : "Fail");
	write_variables(out);
	bh_buf_puts(out, "  validations:\n");
	if (!advice)
		write_resize(out);
	for (const struct bh_rule_row *row = bh_rule_rows; row < bh_rule_rows + bh_n_rule_rows;
	     row++) {
		if (is_advice(row) != advice)
			continue;
		write_validation(out, row, BH_RESOURCE_CPU);
		if (row->scope == BH_SCOPE_EACH)
			write_validation(out, row, BH_RESOURCE_MEMORY);
	}
	write_binding(out, name, advice ? "Warn" : "Deny");
}

static void write_policies(struct bh_buf *out)
{
	bh_buf_puts(
		out,
		"# What a pod must be like to run in a micro-VM: the rules that the node enforces, "
		"told when\n"
		"# a pod or a workload is submitted. Kubernetes 1.30 or newer.\n" NOTE);
	write_policy(out, "bulkhead-kata", false);
	bh_buf_puts(out, "---\n");
	write_policy(out, "bulkhead-kata-advice", true);
}

const struct bh_policy_file bh_policy_files[] = {
	{ "runtime-classes.yaml", write_runtime_classes },
	{ "admission-policy.yaml", write_policies },
};
const size_t bh_n_policy_files = BH_ARRAY_SIZE(bh_policy_files);
