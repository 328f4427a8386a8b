/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes manifests, as far as the rule book wants to know: the pod templates in them, what each
 * asks for, and where that is written. YAML or JSON, several documents, lists.
 *
 * A manifest is judged as the API server would have it once it has written in its defaults. What is
 * neither a pod nor makes pods is passed over.
 *
 * Source: k8s.io/api core/v1, apps/v1, batch/v1; the words that YAML 1.1 takes for booleans and
 * numbers are those of sigs.k8s.io/yaml
 */
#ifndef BH_ADMIT_MANIFEST_H
#define BH_ADMIT_MANIFEST_H

#include "base/value.h"
#include "base/yaml.h"
#include "contract/account.h"

/* Bytes of a manifest that are read. */
#define BH_MANIFEST_BYTES_MAX (64U << 20)
/* Containers of a pod, those that run before the others included. */
#define BH_MANIFEST_CONTAINERS_MAX 4096
/* Of a name that is repeated: as many as Kubernetes allows. */
#define BH_MANIFEST_NAME_MAX 253

enum bh_side { BH_SIDE_REQUEST = 0, BH_SIDE_LIMIT, BH_SIDE_MAX_ };

extern const char *const bh_side_names[BH_SIDE_MAX_]; /* "requests", "limits" */

/* Somebody who has resources: a container, or the pod as a whole. */
struct bh_part {
	enum bh_container_kind kind;
	const char *list; /* "containers", "initContainers"; NULL = the pod */
	size_t index;     /* in it, from 0 */
	struct bh_container_demand demand;
	const struct bh_yaml *resources;                               /* NULL = none */
	const struct bh_yaml *sides[BH_SIDE_MAX_];                     /* the maps in it; NULL */
	const struct bh_yaml *amounts[BH_SIDE_MAX_][BH_RESOURCE_MAX_]; /* in those; NULL */
};

struct bh_template {
	const char *kind;              /* of the object, in lower case: "deployment" */
	const char *name, *name_space; /* "" = not given */
	const char *field;             /* of the pod's spec: "spec.template.spec" */
	const char *runtime_class;     /* NULL = not given */
	uint32_t line;                 /* of the object */
	const struct bh_yaml *spec, *host_network, *containers;
	BH_LIST(struct bh_part) parts;
	struct bh_part pod;
	struct bh_demand demand;
	/* When it cannot be judged: why, and where; else fault is NULL */
	const char *fault, *fault_field;
	uint32_t fault_line;
};

/** Called for each template, which lasts until the return. Return: 0, or -errno with @err */
typedef int (*bh_template_fn)(void *arg, const struct bh_template *t, struct bh_err *err);

/**
 * bh_manifest_read() - all pod templates of @text, @len bytes, in their order
 * @ret_line: where the fault is when it is no YAML; 0 else
 *
 * Return: 0; -EINVAL, -E2BIG with @err when it cannot be read; what @fn returned
 */
int bh_manifest_read(const char *text, size_t len, bh_template_fn fn, void *arg, uint32_t *ret_line,
		     struct bh_err *err) bh_must_check;

/** bh_manifest_harmless() - @text with no character that a terminal could obey; Kubernetes' names
 * have none. Return: @text */
char *bh_manifest_harmless(char *text);

/** bh_part_field() - the name of a field of @part: requests.cpu below its resources
 * Return: @buf */
const char *bh_part_field(const struct bh_template *t, const struct bh_part *part,
			  enum bh_side side, enum bh_resource resource, char *buf, size_t size);

/** bh_finding_place() - which value a finding is about. Return: it, never NULL; @buf has its field
 */
const struct bh_yaml *bh_finding_place(const struct bh_template *t, const struct bh_finding *f,
				       char *buf, size_t size);

#endif
