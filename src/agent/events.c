/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/events.h"

#include <string.h>
#include <time.h>

#include "base/log.h"

#define TYPE_PREFIX "containerd.events."

static void free_event(Agent__Event *event)
{
	agent__event__free_unpacked(event, NULL);
}

/* One allocation a member, as the generated code frees them. Return: NULL when out of memory */
static Agent__Event *new_event(const char *topic, const ProtobufCMessage *message)
{
	Agent__Event *event = calloc(1, sizeof(*event));
	const char *name = message->descriptor->short_name;
	struct timespec now;

	if (!event)
		return NULL;
	agent__event__init(event);
	event->at = calloc(1, sizeof(*event->at));
	event->event = calloc(1, sizeof(*event->event));
	if (!event->at || !event->event) {
		free(event->at);
		free(event->event);
		free(event);
		return NULL;
	}
	wire__timestamp__init(event->at);
	wire__any__init(event->event);
	clock_gettime(CLOCK_REALTIME, &now);
	event->at->seconds = now.tv_sec;
	event->at->nanos = (int32_t)now.tv_nsec;
	event->topic = strdup(topic);
	event->event->type_url = malloc(sizeof(TYPE_PREFIX) + strlen(name));
	event->event->value.data = malloc(protobuf_c_message_get_packed_size(message) + 1);
	if (event->topic && event->event->type_url && event->event->value.data) {
		stpcpy(stpcpy(event->event->type_url, TYPE_PREFIX), name);
		event->event->value.len =
			protobuf_c_message_pack(message, event->event->value.data);
		return event;
	}
	free_event(event);
	return NULL;
}

static void drop_all(struct bh_events *events)
{
	for (size_t i = 0; i < events->n; i++)
		free_event(events->queue[i]);
	free(events->queue);
	events->queue = NULL;
	events->n = 0;
}

static void flush(struct bh_events *events)
{
	Agent__EventsResponse response = AGENT__EVENTS_RESPONSE__INIT;
	struct bh_rpc_call *call = events->waiting;

	if (!call || !events->n)
		return;
	events->waiting = NULL;
	response.n_events = events->n;
	response.events = events->queue;
	bh_rpc_reply(call, &response.base);
	drop_all(events);
}

static void on_flush(struct bh_deferred *deferred)
{
	flush(bh_owner_of(deferred, struct bh_events, flush));
}

void bh_events_publish(struct bh_events *events, const char *topic, const ProtobufCMessage *event)
{
	Agent__Event **bigger = NULL, *copy = NULL;

	if (events->n < BH_EVENTS_MAX)
		copy = new_event(topic, event);
	if (copy)
		bigger = reallocarray(events->queue, events->n + 1, sizeof(*events->queue));
	if (!bigger) {
		if (copy)
			free_event(copy);
		if (!events->lost++)
			bh_warn("event %s is lost: %zu are waiting for the host", topic, events->n);
		return;
	}
	events->queue = bigger;
	events->queue[events->n++] = copy;
	/* At once: who waits for the container's end is answered next, and may listen no more. */
	flush(events);
}

void bh_events_ask(struct bh_events *events, struct bh_rpc_call *call)
{
	if (events->waiting)
		bh_rpc_reply(events->waiting, NULL);
	events->waiting = call;
	events->flush.fn = on_flush;
	bh_loop_defer(events->loop, &events->flush);
}

void bh_events_deinit(struct bh_events *events)
{
	if (events->waiting)
		bh_rpc_fail(events->waiting, BH_RPC_UNAVAILABLE, "the agent ends");
	events->waiting = NULL;
	bh_loop_undefer(events->loop, &events->flush);
	drop_all(events);
}
