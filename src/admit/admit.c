/* SPDX-License-Identifier: Apache-2.0 */
#include "admit/admit.h"

#include <string.h>

#define FIELD_BYTES 160

struct file {
	struct bh_admit *admit;
	const char *name;
};

/* What a pod is accounted with by the scheduler, and what its containers may use. */
struct account {
	struct bh_amounts sides[BH_SIDE_MAX_];
};

/* The runtime that is asked for; it need not be one of ours. */
static const char *wants(const struct bh_template *t, const struct bh_admit_terms *terms)
{
	if (terms->runtime)
		return terms->runtime;
	return t->runtime_class ? t->runtime_class : BH_CLASS_RUNC;
}

bool bh_admit_wants_kata(const struct bh_template *t, const struct bh_admit_terms *terms)
{
	return strcmp(wants(t, terms), BH_CLASS_KATA) == 0;
}

/* Kubernetes adds the overhead to limits that there are. */
static struct account account_of(const struct bh_admit_terms *terms, const struct bh_template *t,
				 bool kata)
{
	struct account a = { .sides = { t->demand.request, t->demand.limit } };

	for (int side = 0; kata && side < BH_SIDE_MAX_; side++)
		for (int r = 0; r < BH_RESOURCE_MAX_; r++)
			if (side == BH_SIDE_REQUEST || a.sides[side].v[r])
				a.sides[side].v[r] =
					bh_amount_add(a.sides[side].v[r], terms->overhead.v[r]);
	return a;
}

/* As for a pod that is there: without limits it is the smallest. */
static int64_t size_of(const struct bh_template *t, enum bh_resource r)
{
	return t->demand.limit.v[r] ? t->demand.limit.v[r] : bh_pod_min.v[r];
}

/* A list begins where its name stands. */
static uint32_t line_of(const struct bh_yaml *node)
{
	return node->kind != BH_YAML_SCALAR && node->key ? node->key_line : node->line;
}

static uint32_t column_of(const struct bh_yaml *node)
{
	return node->kind != BH_YAML_SCALAR && node->key ? node->key_column : node->column;
}

/* ---- for people ------------------------------------------------------------------------------ */

static void say_amounts(struct bh_buf *out, const struct bh_amounts *a)
{
	char cpu[BH_AMOUNT_BYTES], memory[BH_AMOUNT_BYTES];

	bh_buf_printf(out, "cpu %s, memory %s",
		      bh_amount_format(BH_RESOURCE_CPU, a->v[BH_RESOURCE_CPU], cpu),
		      bh_amount_format(BH_RESOURCE_MEMORY, a->v[BH_RESOURCE_MEMORY], memory));
}

static void say_account(const struct bh_admit *admit, const struct bh_template *t, bool kata)
{
	const struct account a = account_of(&admit->terms, t, kata);
	struct bh_buf *out = admit->out;

	if (memcmp(&a.sides[BH_SIDE_REQUEST], &a.sides[BH_SIDE_LIMIT], sizeof(a.sides[0])) == 0) {
		bh_buf_puts(out, "accounted ");
		say_amounts(out, &a.sides[BH_SIDE_LIMIT]);
		return;
	}
	bh_buf_puts(out, "accounted requests ");
	say_amounts(out, &a.sides[BH_SIDE_REQUEST]);
	bh_buf_puts(out, "; limits ");
	say_amounts(out, &a.sides[BH_SIDE_LIMIT]);
}

static void say_vm(struct bh_buf *out, const struct bh_template *t)
{
	const uint64_t vcpus = bh_pod_vcpus(size_of(t, BH_RESOURCE_CPU));
	const uint64_t ram = bh_pod_ram((uint64_t)size_of(t, BH_RESOURCE_MEMORY));
	char text[BH_AMOUNT_BYTES];

	bh_buf_printf(out, "; VM: %llu vCPU%s, %s of RAM", (unsigned long long)vcpus,
		      vcpus == 1 ? "" : "s",
		      bh_amount_format(BH_RESOURCE_MEMORY, (int64_t)ram, text));
}

static void say_template(struct file *file, const struct bh_template *t,
			 const struct bh_findings *found)
{
	struct bh_buf *out = file->admit->out;
	char field[FIELD_BYTES];

	bh_buf_printf(out, "%s:%u: %s \"%s\", for runtime %s\n", file->name, t->line, t->kind,
		      t->name, wants(t, &file->admit->terms));
	bh_buf_puts(out, "  runc: accepted; ");
	say_account(file->admit, t, false);
	bh_buf_printf(out, "\n  kata: %s; ", found->refused ? "refused" : "accepted");
	say_account(file->admit, t, true);
	if (!found->refused)
		say_vm(out, t);
	bh_buf_puts(out, "\n");
	for (size_t i = 0; i < found->n; i++) {
		const struct bh_finding *f = &found->v[i];
		const struct bh_yaml *at = bh_finding_place(t, f, field, sizeof(field));

		bh_buf_printf(out, "    %s:%u: %s: %s" BH_FINDING_PREFIX "%s\n", file->name,
			      line_of(at), field, f->refused ? "" : "warning: ", t->kind, t->name,
			      f->text);
	}
}

static void say_fault(struct file *file, uint32_t line, const char *field, const char *text)
{
	bh_buf_printf(file->admit->out, "%s:%u: %s%s%s\n", file->name, line, field,
		      *field ? ": " : "", text);
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void write_amounts(struct bh_json_writer *w, const char *key, const struct bh_amounts *a)
{
	char text[BH_AMOUNT_BYTES];

	bh_json_open(w, key, '{');
	for (int r = 0; r < BH_RESOURCE_MAX_; r++)
		bh_json_text(w, bh_resource_names[r],
			     bh_amount_format((enum bh_resource)r, a->v[r], text));
	bh_json_close(w, '}');
}

static void write_verdict(struct bh_admit *admit, const struct bh_template *t, bool kata,
			  bool accepted)
{
	const struct account a = account_of(&admit->terms, t, kata);
	struct bh_json_writer *w = &admit->json_;

	bh_json_open(w, kata ? BH_CLASS_KATA : BH_CLASS_RUNC, '{');
	bh_json_bool(w, "accepted", accepted);
	bh_json_open(w, "accounted", '{');
	for (int side = 0; side < BH_SIDE_MAX_; side++)
		write_amounts(w, bh_side_names[side], &a.sides[side]);
	bh_json_close(w, '}');
	if (kata) {
		bh_json_open(w, "vm", '{');
		bh_json_u64(w, "vcpus", bh_pod_vcpus(size_of(t, BH_RESOURCE_CPU)));
		bh_json_u64(w, "memory", bh_pod_ram((uint64_t)size_of(t, BH_RESOURCE_MEMORY)));
		bh_json_close(w, '}');
	}
	bh_json_close(w, '}');
}

static void write_finding(struct file *file, const struct bh_template *t,
			  const struct bh_finding *f)
{
	struct bh_json_writer *w = &file->admit->json_;
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;
	char field[FIELD_BYTES];
	const struct bh_yaml *at = bh_finding_place(t, f, field, sizeof(field));

	bh_buf_printf(&text, BH_FINDING_PREFIX "%s", t->kind, t->name, f->text);
	bh_json_open(w, NULL, '{');
	bh_json_text(w, "runtime", BH_CLASS_KATA);
	bh_json_text(w, "rule", bh_rules[f->row->rule].name);
	bh_json_bool(w, "refused", f->refused);
	bh_json_u64(w, "line", line_of(at));
	bh_json_u64(w, "column", column_of(at));
	bh_json_text(w, "field", field);
	bh_json_text(w, "message", bh_buf_str(&text));
	bh_json_close(w, '}');
}

static void write_template(struct file *file, const struct bh_template *t,
			   const struct bh_findings *found)
{
	struct bh_json_writer *w = &file->admit->json_;

	bh_json_open(w, NULL, '{');
	bh_json_text(w, "file", file->name);
	bh_json_u64(w, "line", t->line);
	bh_json_text(w, "kind", t->kind);
	bh_json_text(w, "name", t->name);
	bh_json_text(w, "namespace", t->name_space);
	bh_json_text(w, "field", t->field);
	bh_json_text(w, "runtimeClassName", t->runtime_class);
	bh_json_text(w, "runtime", wants(t, &file->admit->terms));
	bh_json_open(w, "runtimes", '{');
	write_verdict(file->admit, t, false, true);
	write_verdict(file->admit, t, true, !found->refused);
	bh_json_close(w, '}');
	bh_json_open(w, "findings", '[');
	for (size_t i = 0; i < found->n; i++)
		write_finding(file, t, &found->v[i]);
	bh_json_close(w, ']');
	bh_json_close(w, '}');
}

static void write_fault(struct file *file, uint32_t line, const char *field, const char *text)
{
	struct bh_json_writer *w = &file->admit->json_;

	bh_json_open(w, NULL, '{');
	bh_json_text(w, "file", file->name);
	bh_json_u64(w, "line", line);
	bh_json_text(w, "field", field);
	bh_json_text(w, "error", text);
	bh_json_close(w, '}');
}

/* ---- judging --------------------------------------------------------------------------------- */

static void tell_fault(struct file *file, uint32_t line, const char *field, const char *text)
{
	file->admit->n_faults++;
	(file->admit->json ? write_fault : say_fault)(file, line, field, text);
}

static int on_template(void *arg, const struct bh_template *t, struct bh_err *err)
{
	struct file *file = arg;
	struct bh_findings found;

	file->admit->n_templates++;
	if (t->fault) {
		tell_fault(file, t->fault_line, t->fault_field, t->fault);
	} else {
		bh_rules_judge(&t->demand, &file->admit->terms.levels, &found);
		if (found.refused && bh_admit_wants_kata(t, &file->admit->terms))
			file->admit->n_refused++;
		(file->admit->json ? write_template : say_template)(file, t, &found);
	}
	return file->admit->out->failed ? bh_err_oom(err) : 0;
}

int bh_admit_text(struct bh_admit *admit, const char *name, const char *text, size_t len,
		  struct bh_err *err)
{
	struct file file = { .admit = admit, .name = name };
	struct bh_err why = BH_ERR_INIT;
	uint32_t line = 0;
	int r = bh_manifest_read(text, len, on_template, &file, &line, &why);

	if (r == -ENOMEM)
		return bh_err_oom(err);
	bh_manifest_harmless(why.text); /* it quotes */
	if (r < 0)
		tell_fault(&file, line, "", why.text);
	return 0;
}

void bh_admit_begin(struct bh_admit *admit)
{
	admit->json_ = (struct bh_json_writer){ .out = admit->out, .indent = "  " };
	if (!admit->json)
		return;
	bh_json_open(&admit->json_, NULL, '{');
	bh_json_open(&admit->json_, "templates", '[');
}

void bh_admit_end(struct bh_admit *admit)
{
	struct bh_json_writer *w = &admit->json_;

	if (!admit->json) {
		bh_buf_printf(admit->out, "%zu pod template%s, %zu refused, %zu not understood\n",
			      admit->n_templates, admit->n_templates == 1 ? "" : "s",
			      admit->n_refused, admit->n_faults);
		return;
	}
	bh_json_close(w, ']');
	bh_json_u64(w, "refused", admit->n_refused);
	bh_json_u64(w, "notUnderstood", admit->n_faults);
	bh_json_close(w, '}');
	bh_buf_puts(admit->out, "\n");
}
