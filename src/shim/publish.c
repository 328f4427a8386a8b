/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/publish.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/log.h"
#include "rpc/shim.pb-c.h"

#define SERVICE      "containerd.services.events.ttrpc.v1.Events"
#define TYPE_PREFIX  "containerd.events."
#define QUEUE_MAX    2048
#define ANSWER_MS    5000
#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 5000
#define POLL_MS      5

struct bh_publisher_event {
	struct bh_publisher_event *next;
	size_t len;
	uint8_t data[]; /* ForwardRequest, packed */
};

/* ---- the queue ------------------------------------------------------------------------------- */

static struct bh_publisher_event *pop(struct bh_publisher *p)
{
	struct bh_publisher_event *e = p->first;

	if (!e)
		return NULL;
	p->first = e->next;
	if (!p->first)
		p->end = &p->first;
	p->n--;
	return e;
}

static void push(struct bh_publisher *p, struct bh_publisher_event *e)
{
	if (p->n >= QUEUE_MAX) {
		/* Once: a guest can tell of events faster than anybody takes them. */
		if (p->dropped++ == 0)
			bh_warn("events: %d wait to be told: the oldest are dropped", QUEUE_MAX);
		free(pop(p));
	}
	*p->end = e;
	p->end = &e->next;
	p->n++;
}

/* ---- containerd ------------------------------------------------------------------------------ */

static void go_on(struct bh_publisher *p);

static void pause_(struct bh_publisher *p)
{
	if (p->retry.armed)
		return;
	bh_loop_arm(p->loop, &p->retry, p->pause_ms);
	p->pause_ms = p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS;
}

/* The connection may be at fault: a new one, outside of its own callback. */
static void on_retry(struct bh_timer *timer)
{
	struct bh_publisher *p = bh_owner_of(timer, struct bh_publisher, retry);

	p->client = bh_rpc_client_free(p->client);
	go_on(p);
}

static void on_answer(void *arg, const struct bh_rpc_answer *answer)
{
	struct bh_publisher *p = arg;

	if (answer->code == BH_RPC_UNAVAILABLE || answer->code == BH_RPC_DEADLINE) {
		pause_(p);
		return;
	}
	if (answer->code != BH_RPC_OK)
		bh_warn("event: containerd refuses it: %s", answer->message);
	p->pause_ms = PAUSE_MIN_MS;
	free(p->sent);
	p->sent = NULL;
	go_on(p);
}

static int connect_to(struct bh_publisher *p, struct bh_err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	bh_auto_close int fd = -EBADF;

	if (strlen(p->address) >= sizeof(at.sun_path))
		return bh_err_as(err, BH_ERR_SPEC, -ENAMETOOLONG, "'%s' is too long", p->address);
	strcpy(at.sun_path, p->address);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return bh_err_set(err, -errno, "connect to '%s'", p->address);
	return bh_rpc_connect(p->loop, bh_take_fd(&fd), NULL, NULL, &p->client, err);
}

static void go_on(struct bh_publisher *p)
{
	struct bh_err err = BH_ERR_INIT;
	int r = 0;

	if (!p->sent)
		p->sent = pop(p);
	if (!p->sent && p->dropped) {
		bh_warn("events: %zu were dropped", p->dropped);
		p->dropped = 0;
	}
	if (!p->sent || p->retry.armed)
		return;
	if (!p->client)
		r = connect_to(p, &err);
	r = r < 0 ? r
		  : bh_rpc_call_bytes(p->client, SERVICE, "Forward", p->sent->data, p->sent->len,
				      ANSWER_MS, on_answer, p, &err);
	if (r < 0) {
		bh_debug("event: %s", err.text);
		pause_(p);
	}
}

/* ---- for the shim ---------------------------------------------------------------------------- */

void bh_publisher_init(struct bh_publisher *p, struct bh_loop *loop, const char *address,
		       const char *name_space)
{
	*p = (struct bh_publisher){ .loop = loop,
				    .address = address && *address ? address : NULL,
				    .name_space = name_space,
				    .retry = { .fn = on_retry },
				    .pause_ms = PAUSE_MIN_MS };
	p->end = &p->first;
}

static struct bh_publisher_event *pack(const struct bh_publisher *p, const char *topic,
				       const ProtobufCMessage *event)
{
	char type[128];
	struct timespec now;
	Shim__ForwardRequest request = SHIM__FORWARD_REQUEST__INIT;
	Shim__Envelope envelope = SHIM__ENVELOPE__INIT;
	Wire__Timestamp at = WIRE__TIMESTAMP__INIT;
	Wire__Any any = WIRE__ANY__INIT;
	struct bh_publisher_event *e = NULL;
	size_t len = protobuf_c_message_get_packed_size(event);
	bh_auto_free uint8_t *data = malloc(len + 1);

	if (!data)
		return NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	at.seconds = now.tv_sec;
	at.nanos = (int32_t)now.tv_nsec;
	snprintf(type, sizeof(type), TYPE_PREFIX "%s", event->descriptor->short_name);
	any.type_url = type;
	any.value.data = data;
	any.value.len = protobuf_c_message_pack(event, data);
	envelope.timestamp = &at;
	envelope.namespace_ = (char *)p->name_space;
	envelope.topic = (char *)topic;
	envelope.event = &any;
	request.envelope = &envelope;
	len = shim__forward_request__get_packed_size(&request);
	e = malloc(sizeof(*e) + len);
	if (!e)
		return NULL;
	e->next = NULL;
	e->len = shim__forward_request__pack(&request, e->data);
	return e;
}

void bh_publisher_tell(struct bh_publisher *p, const char *topic, const ProtobufCMessage *event)
{
	struct bh_publisher_event *e = p->address ? pack(p, topic, event) : NULL;

	if (!e) {
		if (p->address)
			bh_warn("event %s: out of memory", topic);
		return;
	}
	push(p, e);
	if (!p->sent)
		go_on(p);
}

void bh_publisher_drain(struct bh_publisher *p, uint64_t ms)
{
	for (uint64_t waited = 0; (p->sent || p->first) && waited < ms; waited += POLL_MS)
		if (bh_fiber_sleep(p->loop, POLL_MS, NULL) < 0)
			return;
}

void bh_publisher_deinit(struct bh_publisher *p)
{
	bh_loop_disarm(p->loop, &p->retry);
	p->client = bh_rpc_client_free(p->client);
	bh_loop_disarm(p->loop, &p->retry); /* a call that was open was answered by that */
	free(p->sent);
	p->sent = NULL;
	while (p->first)
		free(pop(p));
}
