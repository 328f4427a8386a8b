/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-systemd: the one program here that is linked with systemd's library, run by the cgroup
 * code when the systemd manager was chosen.
 *
 *	bulkhead-systemd [--user] start UNIT [NAME TYPE VALUE…]…
 *	bulkhead-systemd [--user] set   UNIT [NAME TYPE VALUE…]…
 *	bulkhead-systemd [--user] stop  UNIT
 *	bulkhead-systemd [--user] attach UNIT PID
 *
 * TYPE and VALUE are as in busctl(1), or TYPE is "@" and VALUE in GVariant's text format. What is
 * named NAME@VERSION is left out when systemd is older than VERSION. start and stop wait for the
 * job's end. A failure is one line on standard error and status 1.
 *
 * Source: org.freedesktop.systemd1(5), sd-bus(3)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "systemd/variant.h"

#define DESTINATION "org.freedesktop.systemd1"
#define OBJECT      "/org/freedesktop/systemd1"
#define MANAGER     "org.freedesktop.systemd1.Manager"
#define JOB_WAIT_US 30000000ULL

#define bh_auto_message bh_cleanup(sd_bus_message_unrefp)
#define bh_auto_error   bh_cleanup(sd_bus_error_free)

struct helper {
	sd_bus *bus;
	struct bh_arena arena;
	char **words; /* what is left of the command line; ends with NULL */
	int version;  /* of systemd; 0 = not asked yet */
	const char *job;
	char result[32]; /* of the job; "" = not there yet */
};

static int say(int code, const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why && why[0] ? why : strerror(-code));
	return code < 0 ? code : -EINVAL;
}

/* ---- properties ------------------------------------------------------------------------------ */

static const char *next_word(struct helper *h)
{
	return *h->words ? *h->words++ : NULL;
}

static int systemd_version(struct helper *h)
{
	bh_auto_error sd_bus_error error = SD_BUS_ERROR_NULL;
	bh_auto_free char *text = NULL;
	int e;

	if (h->version)
		return h->version;
	e = sd_bus_get_property_string(h->bus, DESTINATION, OBJECT, MANAGER, "Version", &error,
				       &text);
	if (e < 0)
		return say(e, "ask for systemd's version", error.message);
	h->version = (int)strtoull(text + strcspn(text, "0123456789"), NULL, 10);
	return h->version;
}

/* One simple value from its text; @m NULL: only pass over it. */
static int append_basic(sd_bus_message *m, char type, const char *text)
{
	uint64_t number = strtoull(text, NULL, 10);
	int64_t value = strtoll(text, NULL, 10);

	if (!m)
		return 0;
	switch (type) {
	case 'b':
		return sd_bus_message_append(m, "b", strcmp(text, "true") == 0);
	case 'y':
		return sd_bus_message_append(m, "y", (uint8_t)number);
	case 'n':
		return sd_bus_message_append(m, "n", (int16_t)value);
	case 'q':
		return sd_bus_message_append(m, "q", (uint16_t)number);
	case 'i':
		return sd_bus_message_append(m, "i", (int32_t)value);
	case 'u':
		return sd_bus_message_append(m, "u", (uint32_t)number);
	case 'x':
		return sd_bus_message_append(m, "x", value);
	case 't':
		return sd_bus_message_append(m, "t", number);
	case 's':
	case 'o':
		return sd_bus_message_append_basic(m, type, text);
	default:
		return -EINVAL;
	}
}

/* The words of one value of type @sig: "t", "as", "a(ss)" … */
static int append_words(struct helper *h, sd_bus_message *m, const char *sig)
{
	const char *text = next_word(h);
	char item[32];
	size_t len = strlen(sig);
	int e = 0;

	if (!text || len == 0 || len >= sizeof(item))
		return -EINVAL;
	if (sig[0] != 'a')
		return len == 1 ? append_basic(m, sig[0], text) : -EINVAL;
	if (m)
		e = sd_bus_message_open_container(m, 'a', sig + 1);
	memcpy(item, sig + 1, len);
	for (uint64_t n = strtoull(text, NULL, 10); e >= 0 && n > 0; n--) {
		const char *field = item;

		if (item[0] != '(') {
			e = append_words(h, m, item);
			continue;
		}
		item[len - 2] = '\0';
		if (m)
			e = sd_bus_message_open_container(m, 'r', item + 1);
		for (field = item + 1; e >= 0 && *field; field++)
			e = append_words(h, m, (char[]){ *field, '\0' });
		if (m && e >= 0)
			e = sd_bus_message_close_container(m);
		item[len - 2] = ')';
	}
	return m && e >= 0 ? sd_bus_message_close_container(m) : e;
}

static int append_variant(sd_bus_message *m, const struct bh_variant *v)
{
	char type = v->signature[0];
	int e;

	switch (type) {
	case 'b':
		return sd_bus_message_append(m, "b", v->b);
	case 'd':
		return sd_bus_message_append(m, "d", v->d);
	case 's':
	case 'o':
		return sd_bus_message_append_basic(m, type, v->s);
	case 'y':
		return sd_bus_message_append(m, "y", (uint8_t)v->u);
	case 'n':
		return sd_bus_message_append(m, "n", (int16_t)v->i);
	case 'q':
		return sd_bus_message_append(m, "q", (uint16_t)v->u);
	case 'i':
		return sd_bus_message_append(m, "i", (int32_t)v->i);
	case 'u':
		return sd_bus_message_append(m, "u", (uint32_t)v->u);
	case 'x':
		return sd_bus_message_append(m, "x", v->i);
	case 't':
		return sd_bus_message_append(m, "t", v->u);
	default:
		break;
	}
	e = sd_bus_message_open_container(m, 'a', v->signature + 1);
	for (size_t i = 0; e >= 0 && i < v->items.n; i++)
		e = append_variant(m, &v->items.v[i]);
	return e < 0 ? e : sd_bus_message_close_container(m);
}

/* "TimeoutStopSec" is how people know it, but on the bus it is "TimeoutStopUSec". */
static char *as_usec(char *name)
{
	size_t len = strlen(name);
	static char longer[128];

	if (len < 4 || len + 2 > sizeof(longer) || strcmp(name + len - 3, "Sec") != 0 ||
	    name[len - 4] < 'a' || name[len - 4] > 'z')
		return NULL;
	snprintf(longer, sizeof(longer), "%.*sUSec", (int)(len - 3), name);
	return longer;
}

/* A value from an annotation. */
static int append_text(struct helper *h, sd_bus_message *m, char *name, const char *text)
{
	struct bh_err err = BH_ERR_INIT;
	char *usec = as_usec(name);
	struct bh_variant v;
	int e = bh_variant_parse(&h->arena, text, &v, &err);

	if (e == 0 && usec)
		e = bh_variant_to_usec(&v, &err);
	if (e < 0) {
		fprintf(stderr, "annotation org.systemd.property.%s=%s value parse error: %s\n",
			name, text, err.text);
		return e;
	}
	e = sd_bus_message_append(m, "s", usec ? usec : name);
	e = e < 0 ? e : sd_bus_message_open_container(m, 'v', v.signature);
	e = e < 0 ? e : append_variant(m, &v);
	e = e < 0 ? e : sd_bus_message_close_container(m);
	return e < 0 ? say(e, name, NULL) : 0;
}

/* NAME TYPE VALUE… as one (sv). */
static int append_property(struct helper *h, sd_bus_message *m)
{
	char *name = *h->words++, *at = strchr(name, '@');
	const char *sig = next_word(h);
	int e = 0, version;

	if (at) {
		*at++ = '\0';
		version = systemd_version(h);
		if (version < 0)
			return version;
		if (version < (int)strtoull(at, NULL, 10))
			return sig ? append_words(h, NULL, sig) : -EINVAL;
	}
	e = sd_bus_message_open_container(m, 'r', "sv");
	if (e >= 0 && sig && strcmp(sig, "@") == 0) {
		const char *text = next_word(h);

		e = text ? append_text(h, m, name, text) : -EINVAL;
		return e < 0 ? e : sd_bus_message_close_container(m);
	}
	e = e < 0 || !sig ? -EINVAL : sd_bus_message_append(m, "s", name);
	e = e < 0 ? e : sd_bus_message_open_container(m, 'v', sig);
	e = e < 0 ? e : append_words(h, m, sig);
	e = e < 0 ? e : sd_bus_message_close_container(m);
	e = e < 0 ? e : sd_bus_message_close_container(m);
	return e < 0 ? say(e, name, NULL) : 0;
}

static int append_properties(struct helper *h, sd_bus_message *m)
{
	int e = sd_bus_message_open_container(m, 'a', "(sv)");

	while (e >= 0 && *h->words)
		e = append_property(h, m);
	return e < 0 ? e : sd_bus_message_close_container(m);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static int on_job_removed(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *path, *unit, *result;
	struct helper *h = arg;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 && h->job &&
	    strcmp(path, h->job) == 0)
		snprintf(h->result, sizeof(h->result), "%s", result);
	return 0;
}

static uint64_t now_us(void)
{
	return bh_clock_ns() / 1000;
}

/* Waits for the end of the job that @reply names. */
static int wait_for_job(struct helper *h, sd_bus_message *reply)
{
	uint64_t deadline = now_us() + JOB_WAIT_US;
	int e = sd_bus_message_read(reply, "o", &h->job);

	h->result[0] = '\0';
	while (e >= 0 && !h->result[0]) {
		e = sd_bus_process(h->bus, NULL);
		if (e != 0)
			continue;
		if (now_us() >= deadline)
			return -ETIMEDOUT;
		e = sd_bus_wait(h->bus, deadline - now_us());
	}
	return e < 0 ? e : 0;
}

static int subscribe(struct helper *h)
{
	int e = sd_bus_match_signal(h->bus, NULL, NULL, OBJECT, MANAGER, "JobRemoved",
				    on_job_removed, h);

	/* Not needed on the manager's own socket, and then refused. */
	if (e >= 0 && sd_bus_call_method(h->bus, DESTINATION, OBJECT, MANAGER, "Subscribe", NULL,
					 NULL, NULL) < 0)
		return 0;
	return e;
}

/* A unit that failed keeps its name until it is reset; one that did not makes this call fail. */
static void reset_failed(struct helper *h, const char *unit)
{
	if (sd_bus_call_method(h->bus, DESTINATION, OBJECT, MANAGER, "ResetFailedUnit", NULL, NULL,
			       "s", unit) < 0)
		return;
}

/* ---- verbs ----------------------------------------------------------------------------------- */

static int call_start(struct helper *h, const char *unit, sd_bus_message **reply,
		      sd_bus_error *error)
{
	bh_auto_message sd_bus_message *m = NULL;
	int e = sd_bus_message_new_method_call(h->bus, &m, DESTINATION, OBJECT, MANAGER,
					       "StartTransientUnit");

	e = e < 0 ? e : sd_bus_message_append(m, "ss", unit, "replace");
	e = e < 0 ? e : append_properties(h, m);
	e = e < 0 ? e : sd_bus_message_append(m, "a(sa(sv))", 0);
	return e < 0 ? e : sd_bus_call(h->bus, m, 0, error, reply);
}

static int verb_start(struct helper *h, const char *unit)
{
	bh_auto_error sd_bus_error error = SD_BUS_ERROR_NULL;
	bh_auto_message sd_bus_message *reply = NULL;
	char **words = h->words;
	int e = subscribe(h);

	if (e >= 0)
		e = call_start(h, unit, &reply, &error);
	if (e < 0 && sd_bus_error_has_name(&error, "org.freedesktop.systemd1.UnitExists")) {
		sd_bus_error_free(&error);
		reset_failed(h, unit);
		h->words = words;
		e = call_start(h, unit, &reply, &error);
	}
	if (e < 0)
		return say(e, unit, error.message);
	e = wait_for_job(h, reply);
	if (e == 0 && strcmp(h->result, "done") == 0)
		return 0;
	reset_failed(h, unit);
	return e < 0 ? say(e, unit, NULL) : say(-EREMOTEIO, "the job ended with", h->result);
}

static int verb_set(struct helper *h, const char *unit)
{
	bh_auto_error sd_bus_error error = SD_BUS_ERROR_NULL;
	bh_auto_message sd_bus_message *m = NULL;
	int e = sd_bus_message_new_method_call(h->bus, &m, DESTINATION, OBJECT, MANAGER,
					       "SetUnitProperties");

	e = e < 0 ? e : sd_bus_message_append(m, "sb", unit, 1);
	e = e < 0 ? e : append_properties(h, m);
	e = e < 0 ? e : sd_bus_call(h->bus, m, 0, &error, NULL);
	return e < 0 ? say(e, unit, error.message) : 0;
}

static int verb_stop(struct helper *h, const char *unit)
{
	bh_auto_error sd_bus_error error = SD_BUS_ERROR_NULL;
	bh_auto_message sd_bus_message *reply = NULL;
	int e = subscribe(h);

	if (e >= 0)
		e = sd_bus_call_method(h->bus, DESTINATION, OBJECT, MANAGER, "StopUnit", &error,
				       &reply, "ss", unit, "replace");
	if (e < 0 && sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchUnit"))
		return 0;
	if (e < 0)
		return say(e, unit, error.message);
	e = wait_for_job(h, reply);
	reset_failed(h, unit);
	return e < 0 ? say(e, unit, NULL) : 0;
}

static int verb_attach(struct helper *h, const char *unit)
{
	bh_auto_error sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *pid = next_word(h);
	int e = -EINVAL;

	if (pid)
		e = sd_bus_call_method(h->bus, DESTINATION, OBJECT, MANAGER,
				       "AttachProcessesToUnit", &error, NULL, "ssau", unit, "", 1,
				       (uint32_t)strtoull(pid, NULL, 10));
	return e < 0 ? say(e, unit, error.message) : 0;
}

static const struct {
	const char *name;
	int (*run)(struct helper *h, const char *unit);
} verbs[] = {
	{ "start", verb_start },
	{ "set", verb_set },
	{ "stop", verb_stop },
	{ "attach", verb_attach },
};

/* The manager's own socket works without a bus daemon and is quicker. */
static int connect_private(struct helper *h, const char *runtime_dir)
{
	char address[256];
	int e;

	if (snprintf(address, sizeof(address), "unix:path=%s/systemd/private", runtime_dir) >=
	    (int)sizeof(address))
		return -ENAMETOOLONG;
	e = sd_bus_new(&h->bus);
	e = e < 0 ? e : sd_bus_set_address(h->bus, address);
	e = e < 0 ? e : sd_bus_start(h->bus);
	if (e < 0)
		h->bus = sd_bus_unref(h->bus);
	return e;
}

static int connect_bus(struct helper *h, bool user)
{
	const char *runtime_dir = user ? getenv("XDG_RUNTIME_DIR") : "/run";
	int e = -ENOENT;

	if (runtime_dir && (user || geteuid() == 0))
		e = connect_private(h, runtime_dir);
	if (e < 0)
		e = user ? sd_bus_open_user(&h->bus) : sd_bus_open_system(&h->bus);
	if (e >= 0)
		return 0;
	return say(e,
		   user ? "connect to the user's bus (is there a dbus-user-session, and "
			  "XDG_RUNTIME_DIR or DBUS_SESSION_BUS_ADDRESS set?)"
			: "connect to the system bus",
		   NULL);
}

int main(int argc, char **argv)
{
	bool user = argc > 1 && strcmp(argv[1], "--user") == 0;
	struct helper h = { .words = argv + 3 + user };
	int e = -EINVAL;

	if (argc >= 3 + user)
		for (size_t i = 0; i < BH_ARRAY_SIZE(verbs); i++) {
			if (strcmp(argv[1 + user], verbs[i].name) != 0)
				continue;
			e = connect_bus(&h, user);
			e = e < 0 ? e : verbs[i].run(&h, argv[2 + user]);
			sd_bus_flush_close_unref(h.bus);
			bh_arena_deinit(&h.arena);
			return e < 0 ? 1 : 0;
		}
	fprintf(stderr, "usage: bulkhead-systemd [--user] start|set|stop|attach UNIT [NAME TYPE "
			"VALUE...]...\n");
	return 2;
}
