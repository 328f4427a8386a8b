/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one rule book: what a pod must be like to run in a micro-VM, what it is accounted with, and
 * how large its VM is. rules.c has the table. Whoever judges a pod judges by it: the server of a
 * pod when one is to be made, `bulkhead admit` for manifests, and the admission policy for
 * Kubernetes, which is printed from it.
 */
#ifndef BH_CONTRACT_RULES_H
#define BH_CONTRACT_RULES_H

#include <stdbool.h>

#include "contract/resource.h"

#define BH_POD_MIB INT64_C(1048576)
#define BH_POD_GIB INT64_C(1073741824)
/* The smallest pod: a quarter of a core, 256 MiB. */
#define BH_POD_CPU_MIN    250
#define BH_POD_MEMORY_MIN (256 * BH_POD_MIB)
/* What a pod costs beyond what its containers were given: 0.1 core, 100 MiB. */
#define BH_POD_CPU_OVERHEAD    100
#define BH_POD_MEMORY_OVERHEAD (100 * BH_POD_MIB)
/* Memory for each core that is recommended. */
#define BH_POD_RATIO_MIN (1 * BH_POD_GIB)
#define BH_POD_RATIO_MAX (8 * BH_POD_GIB)

extern const struct bh_amounts bh_pod_min;

/* As an administrator knows them; a rule may have several rows in the table. */
enum bh_rule {
	BH_RULE_HOST_NETWORK = 0,
	BH_RULE_REQUESTS_EQUAL_LIMITS,
	BH_RULE_SMALLEST_POD,
	BH_RULE_RATIO,
	BH_RULE_MAX_,
};

/* What becomes of a pod that breaks a rule. */
enum bh_rule_level {
	BH_RULE_DEFAULT = 0, /* of the rule itself, see bh_rules */
	BH_RULE_ENFORCE,     /* it is refused */
	BH_RULE_WARN,
	BH_RULE_OFF,
};

/* As in the configuration: "host-network". */
extern const struct bh_rule_info {
	const char *name;
	enum bh_rule_level fallback; /* never BH_RULE_DEFAULT */
	const char *help;            /* one line for the manual */
} bh_rules[BH_RULE_MAX_];

/* Zeroed: the defaults. */
struct bh_rule_levels {
	enum bh_rule_level v[BH_RULE_MAX_];
};

/** bh_rule_level() - of @rule, the default resolved; @levels may be NULL */
enum bh_rule_level bh_rule_level(const struct bh_rule_levels *levels, enum bh_rule rule);

/* What a pod asks for, all of its containers together and without overhead. */
struct bh_demand {
	struct bh_amounts request, limit; /* 0 = none */
	bool host_network;
};

/* Where a rule is looked for and what it talks about. */
enum bh_rule_scope {
	BH_SCOPE_POD = 0, /* once */
	BH_SCOPE_EACH,    /* once for each resource */
};

/*
 * A row. Both forms of the condition say the same; tests/admission has them agree.
 *
 * In the texts {resource}, {request}, {limit} and {least} are those of the resource at hand, {cpu}
 * and {memory} are both limits.
 */
struct bh_rule_row {
	enum bh_rule rule;
	enum bh_rule_scope scope;
	bool advice; /* never more than a warning */
	bool (*broken)(const struct bh_demand *demand, enum bh_resource resource);
	const char *cel;  /* the same in the Common Expression Language, over integers */
	const char *text; /* for people */
};
extern const struct bh_rule_row bh_rule_rows[];
extern const size_t bh_n_rule_rows;

#define BH_FINDING_BYTES 192
#define BH_FINDINGS_MAX  16

struct bh_finding {
	const struct bh_rule_row *row;
	enum bh_resource resource; /* with BH_SCOPE_EACH */
	bool refused;              /* else it is a warning */
	char text[BH_FINDING_BYTES];
};
struct bh_findings {
	struct bh_finding v[BH_FINDINGS_MAX];
	size_t n;
	bool refused; /* one of them is a refusal */
};

/** bh_rules_judge() - all that is to be said of @demand, in the order of the table
 * @levels: NULL = the defaults */
void bh_rules_judge(const struct bh_demand *demand, const struct bh_rule_levels *levels,
		    struct bh_findings *ret);

/* What stands before a finding's text, wherever it is told: pod "web": kata: … */
#define BH_FINDING_PREFIX "%s \"%s\": kata: "

/** bh_pod_vcpus() / bh_pod_ram() - of a VM for so many thousandths of a core, bytes of memory: RAM
 * is what containers may use and what the guest itself needs */
uint64_t bh_pod_vcpus(int64_t cpu);
uint64_t bh_pod_ram(uint64_t memory);

#endif
