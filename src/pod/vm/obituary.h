/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of a pod that died, for as long as its engine's records of it are there: an engine
 * of Kubernetes deletes the containers of a dead pod at once, and with the last of them goes all
 * that we have on record. The pod's log directory, which the engine names, stays until Kubernetes
 * deletes the pod.
 *
 * DIRECTORY/bulkhead-ID.dead: a line of JSON (bh_obituary_schema), then the guest's console, made
 * harmless.
 */
#ifndef BH_POD_VM_OBITUARY_H
#define BH_POD_VM_OBITUARY_H

#include "base/schema.h"
#include "oci/spec.h"

/* Where Kubernetes has the log directories of pods. */
#define BH_POD_LOGS        "/var/log/pods"
#define BH_OBITUARY_PREFIX "bulkhead-"
#define BH_OBITUARY_SUFFIX ".dead"
/* Of the line of JSON. */
#define BH_OBITUARY_LINE_MAX 8192
/* Of all of it: the most that can be configured of a console is kept. */
#define BH_OBITUARY_MAX (129U << 20)

struct bh_obituary {
	const char *id, *name, *name_space, *uid;
	const char *runtime, *created, *died; /* RFC 3339 */
	const char *reason;
};

extern const struct bh_schema bh_obituary_schema;

/**
 * bh_obituary_write() - in the log directory that @spec names, if that is one of Kubernetes' and is
 * there
 * @dirfd:    of the pod's directory, where its console is
 * @obituary: names are taken from @spec
 */
int bh_obituary_write(const struct bh_spec *spec, int dirfd, struct bh_obituary *obituary,
		      struct bh_err *err) bh_must_check;

#endif
