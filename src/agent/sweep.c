/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sweep.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "rpc/guest.h"

/* A name is believed for a second (as the daemon is told); then some time for the host. */
#define AFTER_MS  2000
#define TRIES_MAX 15

struct bh_sweep_entry {
	struct bh_sweep_entry *next;
	struct bh_submounts held;
	int tries;
	char id[];
};

/* Whether the name is gone; looking is what makes the kernel forget. */
static bool look(const struct bh_sweep_entry *entry)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), BH_SHARE_GUEST_DIR "/%s", entry->id);
	return stat(path, &st) < 0;
}

static void on_timer(struct bh_timer *timer)
{
	struct bh_sweep *sweep = bh_owner_of(timer, struct bh_sweep, timer);
	struct bh_sweep_entry **at = &sweep->list;

	while (*at) {
		struct bh_sweep_entry *entry = *at;

		/* The first time may be soon, if another entry set the timer. */
		if (++entry->tries > 1)
			bh_submounts_drop(&entry->held);
		if ((look(entry) && !entry->held.n) || entry->tries == TRIES_MAX) {
			*at = entry->next;
			free(entry);
		} else {
			at = &entry->next;
		}
	}
	if (sweep->list)
		bh_loop_arm(sweep->loop, &sweep->timer, AFTER_MS);
}

void bh_sweep_later(struct bh_sweep *sweep, const char *id, struct bh_submounts *held)
{
	size_t len = strlen(id) + 1;
	struct bh_sweep_entry *entry = calloc(1, sizeof(*entry) + len);

	bh_submounts_hide(held);
	if (!entry) {
		bh_submounts_drop(held);
		return;
	}
	entry->held = *held;
	*held = (struct bh_submounts){ .n = 0 };
	memcpy(entry->id, id, len);
	entry->next = sweep->list;
	sweep->list = entry;
	if (sweep->timer.armed)
		return;
	sweep->timer.fn = on_timer;
	bh_loop_arm(sweep->loop, &sweep->timer, AFTER_MS);
}

void bh_sweep_deinit(struct bh_sweep *sweep)
{
	struct bh_sweep_entry *entry, *next;

	bh_loop_disarm(sweep->loop, &sweep->timer);
	for (entry = sweep->list; entry; entry = next) {
		next = entry->next;
		free(entry->held.fds);
		free(entry);
	}
	sweep->list = NULL;
}
