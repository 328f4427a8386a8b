/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/qemu/qmp.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <json-c/json_object.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/socket.h"

/* ---- messages -------------------------------------------------------------------------------- */

/* The string @key of @object as printable ASCII, cut to @size bytes with its NUL; "" if there is
 * none. */
static void copy_text(struct json_object *object, const char *key, char *buf, size_t size)
{
	struct json_object *value;
	const char *text = "";

	if (json_object_object_get_ex(object, key, &value) &&
	    json_object_is_type(value, json_type_string))
		text = json_object_get_string(value);
	snprintf(buf, size, "%s", text);
	for (char *p = buf; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

static int malformed(struct bh_err *err, const char *what)
{
	return bh_err_as(err, BH_ERR_PEER, -EBADMSG, "QEMU's monitor sent %s", what);
}

static int read_id(struct json_object *tree, struct bh_qmp_message *ret, struct bh_err *err)
{
	struct json_object *id;
	int64_t value;

	if (!json_object_object_get_ex(tree, "id", &id))
		return 0;
	if (!json_object_is_type(id, json_type_int))
		return malformed(err, "an id that is no number");
	value = json_object_get_int64(id);
	if (value <= 0)
		return malformed(err, "an id out of range");
	ret->id = (uint64_t)value;
	return 0;
}

static int read_event(struct json_object *tree, struct bh_qmp_message *ret, struct bh_err *err)
{
	struct json_object *data;

	copy_text(tree, "event", ret->name, sizeof(ret->name));
	if (!ret->name[0])
		return malformed(err, "an event without a name");
	if (!json_object_object_get_ex(tree, "data", &data))
		return 0;
	if (!json_object_is_type(data, json_type_object))
		return malformed(err, "an event's data that is no object");
	copy_text(data, "device", ret->device, sizeof(ret->device));
	copy_text(data, "reason", ret->reason, sizeof(ret->reason));
	return 0;
}

static int read_error(struct json_object *tree, struct bh_qmp_message *ret, struct bh_err *err)
{
	struct json_object *error;

	json_object_object_get_ex(tree, "error", &error);
	if (!json_object_is_type(error, json_type_object))
		return malformed(err, "an error that is no object");
	copy_text(error, "desc", ret->text, sizeof(ret->text));
	return read_id(tree, ret, err);
}

static int read_nothing(struct json_object *tree, struct bh_qmp_message *ret, struct bh_err *err)
{
	(void)tree;
	(void)ret;
	(void)err;
	return 0;
}

/* The member that makes a message one of a kind. */
static const struct {
	const char *key;
	int (*read)(struct json_object *tree, struct bh_qmp_message *ret, struct bh_err *err);
} kinds[BH_QMP_KIND_MAX_] = {
	[BH_QMP_GREETING] = { "QMP", read_nothing },
	[BH_QMP_RETURN] = { "return", read_id },
	[BH_QMP_ERROR] = { "error", read_error },
	[BH_QMP_EVENT] = { "event", read_event },
};

int bh_qmp_parse(const char *line, size_t len, struct bh_qmp_message *ret, struct bh_err *err)
{
	bh_auto_json struct json_object *tree = NULL;
	int r = bh_json_parse(line, len, &tree, err);

	*ret = (struct bh_qmp_message){ .kind = BH_QMP_KIND_MAX_ };
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return malformed(err, "a line that is no JSON object");
	for (size_t kind = 0; kind < BH_QMP_KIND_MAX_; kind++) {
		if (!json_object_object_get_ex(tree, kinds[kind].key, NULL))
			continue;
		ret->kind = kind;
		return kinds[kind].read(tree, ret, err);
	}
	return malformed(err, "an object that is no message");
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* On the stack of who waits. */
struct bh_qmp_call {
	uint64_t id;
	const char *command;
	struct bh_qmp *qmp;
	struct bh_qmp_call *next;
	struct bh_wait wait;
	struct bh_timer timer;
	int result;
	struct bh_err *err;
};

static void forget(struct bh_qmp_call *call)
{
	bh_list_remove(&call->qmp->calls, call);
	bh_loop_disarm(call->qmp->loop, &call->timer);
}

static void complete(struct bh_qmp_call *call, int result)
{
	forget(call);
	call->result = result;
	bh_fiber_wake(&call->wait);
}

static void on_timeout(struct bh_timer *timer)
{
	struct bh_qmp_call *call = bh_owner_of(timer, struct bh_qmp_call, timer);

	complete(call, bh_err_as(call->err, BH_ERR_PEER, -ETIMEDOUT,
				 "QEMU does not answer the command %s", call->command));
}

static int on_answer(struct bh_qmp *qmp, const struct bh_qmp_message *message, struct bh_err *err)
{
	struct bh_qmp_call *call = qmp->calls;

	while (call && call->id != message->id)
		call = call->next;
	if (call && message->kind == BH_QMP_RETURN)
		complete(call, 0);
	else if (call)
		complete(call, bh_err_as(call->err, BH_ERR_PEER, -EREMOTEIO,
					 "QEMU's answer to %s: %s", call->command, message->text));
	else if (!message->id || message->id > qmp->last_id)
		return malformed(err, "an answer to what was not asked");
	return 0; /* or it came after the time was up */
}

static int on_message(struct bh_qmp *qmp, const struct bh_qmp_message *message, struct bh_err *err)
{
	if ((message->kind == BH_QMP_GREETING) == qmp->greeted)
		return malformed(err, qmp->greeted ? "a second greeting" : "no greeting first");
	switch (message->kind) {
	case BH_QMP_GREETING:
		qmp->greeted = true;
		return 0;
	case BH_QMP_EVENT:
		qmp->event(qmp->arg, message);
		return 0;
	default:
		return on_answer(qmp, message, err);
	}
}

/* Takes the lines that are complete out of what came in. */
static int take_lines(struct bh_qmp *qmp, struct bh_err *err)
{
	char *at = qmp->in, *end = qmp->in + qmp->len, *newline;
	struct bh_qmp_message message;

	while (!qmp->ended && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		if (bh_qmp_parse(at, (size_t)(newline - at), &message, err) < 0 ||
		    on_message(qmp, &message, err) < 0)
			return err->code;
		at = newline + 1;
	}
	qmp->len = (size_t)(end - at);
	memmove(qmp->in, at, qmp->len);
	return qmp->len < BH_QMP_LINE_BYTES ? 0 : malformed(err, "a line without end");
}

static int receive(struct bh_qmp *qmp, struct bh_err *err)
{
	ssize_t n = read(qmp->source.fd, qmp->in + qmp->len, BH_QMP_LINE_BYTES - qmp->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return bh_err_set(err, -errno, "read from QEMU's monitor");
	if (n <= 0) /* reset, when it left a command unread */
		return bh_err_as(err, BH_ERR_PEER, -EPIPE, "QEMU hung up its monitor");
	qmp->len += (size_t)n;
	return take_lines(qmp, err);
}

static int on_readable(struct bh_source *source, uint32_t events, struct bh_err *loop_err)
{
	struct bh_qmp *qmp = bh_owner_of(source, struct bh_qmp, source);
	struct bh_err err = BH_ERR_INIT;

	(void)events;
	(void)loop_err;
	if (receive(qmp, &err) < 0) {
		bh_loop_remove(qmp->loop, source);
		qmp->broken(qmp->arg, &err);
	}
	return 0;
}

static int send_all(struct bh_qmp *qmp, const struct bh_buf *text, int fd)
{
	ssize_t n = bh_fd_send(qmp->source.fd, text->data, text->len, fd, MSG_DONTWAIT);

	if (n < 0)
		return (int)n;
	/* Commands are far smaller than the socket's buffer: who lets it run full reads nothing. */
	return (size_t)n == text->len ? 0 : -EAGAIN;
}

int bh_qmp_call(struct bh_qmp *qmp, const char *command, const char *arguments, int fd,
		uint64_t timeout_ms, struct bh_err *err)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;
	struct bh_qmp_call call = { .command = command, .qmp = qmp, .err = err };
	int r;

	if (qmp->ended) {
		*err = qmp->why;
		return err->code;
	}
	call.id = ++qmp->last_id;
	call.timer.fn = on_timeout;
	bh_buf_printf(&text, "{\"execute\":\"%s\",\"arguments\":%s,\"id\":%llu}\n", command,
		      arguments ? arguments : "{}", (unsigned long long)call.id);
	if (text.failed)
		return bh_err_oom(err);
	r = send_all(qmp, &text, fd);
	if (r < 0) {
		bh_err_set(err, r, "send the command %s to QEMU", command);
		qmp->broken(qmp->arg, err);
		return r;
	}
	call.next = qmp->calls;
	qmp->calls = &call;
	bh_loop_arm(qmp->loop, &call.timer, timeout_ms);
	r = bh_fiber_wait(qmp->loop, &call.wait, err);
	if (call.wait.done)
		return call.result;
	forget(&call); /* the loop was stopped under it */
	return r;
}

/* ---- life ------------------------------------------------------------------------------------ */

int bh_qmp_start(struct bh_qmp *qmp, struct bh_loop *loop, int fd, struct bh_err *err)
{
	qmp->loop = loop;
	qmp->source = (struct bh_source){ .fd = fd, .fn = on_readable, .what = "QEMU's monitor" };
	qmp->in = malloc(BH_QMP_LINE_BYTES);
	if (!qmp->in)
		return bh_err_oom(err);
	return bh_loop_add(loop, &qmp->source, EPOLLIN, err);
}

void bh_qmp_end(struct bh_qmp *qmp, const struct bh_err *why)
{
	if (qmp->ended)
		return;
	qmp->ended = true;
	qmp->why = *why;
	bh_loop_remove(qmp->loop, &qmp->source);
	while (qmp->calls) {
		*qmp->calls->err = *why;
		complete(qmp->calls, why->code);
	}
}

void bh_qmp_deinit(struct bh_qmp *qmp)
{
	if (qmp->source.fn) {
		bh_loop_remove(qmp->loop, &qmp->source);
		qmp->source.fd = bh_close(qmp->source.fd);
	}
	free(qmp->in);
	qmp->in = NULL;
}
