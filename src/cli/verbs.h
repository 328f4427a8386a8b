/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs, one row each; the file that holds a row is named beside it. */
#ifndef BH_CLI_VERBS_H
#define BH_CLI_VERBS_H

#include "cli/cli.h"

extern const struct bh_verb bh_verb_admit;                               /* admit.c */
extern const struct bh_verb bh_verb_check;                               /* check.c */
extern const struct bh_verb bh_verb_config;                              /* config.c */
extern const struct bh_verb bh_verb_create, bh_verb_run;                 /* create.c */
extern const struct bh_verb bh_verb_exec;                                /* exec.c */
extern const struct bh_verb bh_verb_start, bh_verb_kill, bh_verb_delete; /* lifecycle.c */
extern const struct bh_verb bh_verb_pause, bh_verb_resume;               /* lifecycle.c */
extern const struct bh_verb bh_verb_checkpoint, bh_verb_restore;         /* checkpoint.c */
extern const struct bh_verb bh_verb_list, bh_verb_state, bh_verb_ps;     /* inspect.c */
extern const struct bh_verb bh_verb_events;                              /* events.c */
extern const struct bh_verb bh_verb_node;                                /* node.c */
extern const struct bh_verb bh_verb_pod, bh_verb_metrics;                /* pod.c */
extern const struct bh_verb bh_verb_update;                              /* update.c */
extern const struct bh_verb bh_verb_spec, bh_verb_features;              /* spec.c */
extern const struct bh_verb bh_verb_completion;                          /* completion.c */

#endif
