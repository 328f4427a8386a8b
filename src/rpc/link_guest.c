/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's end. Sources: vsock(7), Linux drivers/char/virtio_console.c */
#include <dirent.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h> /* its older versions want <sys/socket.h> before */

#include "base/path.h"
#include "rpc/link_internal.h"

/* Connections that have not yet said what they are for. */
#define INCOMING_MAX 256U
/* How long one may take to say it. */
#define PREAMBLE_MS       5000U
#define NAME_BYTES        64U
#define PORTS             "/sys/class/virtio-ports"
#define CMDLINE_BYTES_MAX (64U << 10)

struct bh_link_incoming {
	struct bh_link *link;
	struct bh_link_incoming *next;
	struct bh_source source; /* fd is owned */
	struct bh_timer timer;
	bool keyed; /* the key comes first */
	size_t len;
	uint8_t data[BH_LINK_KEY_BYTES + BH_LINK_PREAMBLE_BYTES];
};

/* Return: its socket, now the caller's */
static int drop(struct bh_link_incoming *incoming)
{
	struct bh_link *link = incoming->link;
	int fd = incoming->source.fd;

	bh_list_remove(&link->incoming, incoming);
	link->n_incoming--;
	bh_loop_disarm(link->loop, &incoming->timer);
	bh_loop_remove(link->loop, &incoming->source);
	free(incoming);
	return fd;
}

void bh_link_end_incoming(struct bh_link *link)
{
	while (link->incoming)
		bh_close(drop(link->incoming));
}

/* In a time that does not tell how much of it is right. */
static bool is_key(const struct bh_link *link, const uint8_t *data)
{
	uint8_t difference = 0;

	for (size_t i = 0; i < BH_LINK_KEY_BYTES; i++)
		difference |= link->key[i] ^ data[i];
	return link->keyed && !difference;
}

/* All of the preamble is there. The link may be gone afterwards: the stream's taker may end it. */
static void on_preamble(struct bh_link_incoming *incoming)
{
	struct bh_link *link = incoming->link;
	const uint8_t *at = incoming->data + (incoming->keyed ? BH_LINK_KEY_BYTES : 0);
	bool welcome = !incoming->keyed || is_key(link, incoming->data);
	uint32_t words[2];

	memcpy(words, at, sizeof(words));
	words[0] = be32toh(words[0]);
	words[1] = be32toh(words[1]);
	if (!welcome || !words[0] || words[0] >= BH_STREAM_KIND_MAX_) {
		bh_close(drop(incoming));
		return;
	}
	link->accept(link->arg, (enum bh_stream_kind)words[0], words[1], drop(incoming));
}

static int on_incoming(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_link_incoming *incoming = bh_owner_of(source, struct bh_link_incoming, source);
	size_t want = incoming->keyed ? sizeof(incoming->data) : BH_LINK_PREAMBLE_BYTES;
	ssize_t n = read(source->fd, incoming->data + incoming->len, want - incoming->len);

	(void)events;
	(void)err;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		bh_close(drop(incoming));
		return 0;
	}
	incoming->len += (size_t)n;
	if (incoming->len == want)
		on_preamble(incoming);
	return 0;
}

static void on_silence(struct bh_timer *timer)
{
	bh_close(drop(bh_owner_of(timer, struct bh_link_incoming, timer)));
}

/* Of those that say nothing there may be as many as somebody likes: it is the oldest that goes, as
 * the supervisor speaks at once. */
static void make_room(struct bh_link *link)
{
	struct bh_link_incoming *oldest = NULL;

	for (struct bh_link_incoming *i = link->incoming; i; i = i->next)
		oldest = i;
	if (link->n_incoming >= INCOMING_MAX && oldest)
		bh_close(drop(oldest));
}

void bh_link_take_stream(struct bh_link *link, int fd, bool keyed)
{
	struct bh_link_incoming *incoming = calloc(1, sizeof(*incoming));

	if (!incoming) {
		bh_close(fd);
		return;
	}
	make_room(link);
	incoming->link = link;
	incoming->keyed = keyed;
	incoming->source = (struct bh_source){ .fd = fd, .fn = on_incoming, .what = "stream" };
	incoming->timer.fn = on_silence;
	bh_loop_arm(link->loop, &incoming->timer, PREAMBLE_MS);
	incoming->next = link->incoming;
	link->incoming = incoming;
	link->n_incoming++;
	if (bh_loop_add(link->loop, &incoming->source, EPOLLIN, NULL) < 0)
		bh_close(drop(incoming));
}

/* ---- vsock ----------------------------------------------------------------------------------- */

/* Not the guest's own processes: a container's could call, too. */
static void on_call(struct bh_acceptor *listener, int fd)
{
	struct bh_link *link = bh_owner_of(listener, struct bh_link, listener);

	if (bh_link_is_other_end(link, fd))
		bh_link_take_stream(link, fd, true);
	else
		bh_close(fd);
}

int bh_link_add_listener(struct bh_link *link, int fd, uint32_t cid, struct bh_err *err)
{
	link->cid = cid;
	link->listener =
		(struct bh_acceptor){ .source = { .fd = fd, .what = "vsock" }, .fn = on_call };
	return bh_acceptor_start(link->loop, &link->listener, err);
}

static void supervisor_gone(struct bh_link *link)
{
	struct bh_err err;

	bh_err_as(&err, BH_ERR_PEER, -EPIPE, "the supervisor closed its vsock");
	bh_link_die(link, &err);
}

/* The supervisor has nothing to say but the key. */
static int on_first(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	static const uint8_t acknowledged = 1;
	struct bh_link *link = bh_owner_of(source, struct bh_link, first);
	uint8_t more;
	ssize_t n = link->keyed ? recv(source->fd, &more, sizeof(more), MSG_DONTWAIT)
				: recv(source->fd, link->key + link->key_bytes,
				       sizeof(link->key) - link->key_bytes, MSG_DONTWAIT);

	(void)events;
	(void)err;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0 && !link->keyed) {
		link->key_bytes += (size_t)n;
		link->keyed = link->key_bytes == sizeof(link->key);
		n = link->keyed ? send(source->fd, &acknowledged, 1, MSG_NOSIGNAL) : n;
	}
	if (n <= 0)
		supervisor_gone(link);
	return 0;
}

int bh_link_call(struct bh_link *link, uint32_t cid, uint32_t port, struct bh_err *err)
{
	struct sockaddr_vm to = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	link->first = (struct bh_source){ .fd = fd, .fn = on_first, .what = "supervisor" };
	/* The host's kernel answers, not the supervisor: this does not wait. */
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return bh_err_set(err, -errno, "call vsock %u:%u", cid, port);
	return bh_loop_add(link->loop, &link->first, EPOLLIN, err);
}

/* Return: the port to call, of the kernel's command line; 0 = there is none */
static uint32_t port_to_call(void)
{
	bh_auto_free char *words = NULL;
	unsigned long port = 0;
	char *save = NULL;

	(void)!bh_path_read(AT_FDCWD, "/proc/cmdline", BH_PATH_HOST, CMDLINE_BYTES_MAX, &words,
			    NULL, NULL);
	for (char *word = words ? strtok_r(words, " \n", &save) : NULL; word;
	     word = strtok_r(NULL, " \n", &save))
		if (!strncmp(word, BH_LINK_VSOCK_OPTION, strlen(BH_LINK_VSOCK_OPTION)))
			port = strtoul(word + strlen(BH_LINK_VSOCK_OPTION), NULL, 10);
	return port < VMADDR_PORT_ANY ? (uint32_t)port : 0;
}

/* Whether this machine is a guest that its host can call: the number that it is called by. */
static bool has_vsock(void)
{
	bh_auto_close int fd = bh_path_try_open(AT_FDCWD, "/dev/vsock", O_RDONLY, 0, BH_PATH_HOST);
	unsigned int cid = VMADDR_CID_ANY;

	return fd >= 0 && ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) == 0 &&
	       cid > VMADDR_CID_HOST && cid != VMADDR_CID_ANY;
}

static int listen_vsock(struct bh_link *link, uint32_t port, struct bh_err *err)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = BH_LINK_VSOCK_PORT };
	bh_auto_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, SOMAXCONN) < 0)
		return bh_err_set(err, -errno, "listen on vsock port %u", BH_LINK_VSOCK_PORT);
	r = bh_link_add_listener(link, bh_take_fd(&fd), VMADDR_CID_HOST, err);
	return r < 0 ? r : bh_link_call(link, VMADDR_CID_HOST, port, err);
}

/* ---- serial ---------------------------------------------------------------------------------- */

/* Whether @port of @dirfd is called what ours is called. */
static bool is_ours(int dirfd, const char *port)
{
	bh_auto_free char *name = NULL;
	char path[NAME_BYTES];

	if (snprintf(path, sizeof(path), "%s/name", port) >= (int)sizeof(path))
		return false;
	if (bh_path_read(dirfd, path, BH_PATH_HOST, NAME_BYTES, &name, NULL, NULL) < 0)
		return false;
	name[strcspn(name, "\n")] = '\0';
	return !strcmp(name, BH_LINK_SERIAL_NAME);
}

/* The device into @ret_fd, which stays negative when there is none. Return: 0 or -errno */
static int open_serial(int *ret_fd, struct bh_err *err)
{
	bh_auto_closedir DIR *dir = opendir(PORTS);
	struct dirent *entry;
	char path[NAME_BYTES];

	*ret_fd = -EBADF;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !is_ours(dirfd(dir), entry->d_name))
			continue;
		if (snprintf(path, sizeof(path), "/dev/%s", entry->d_name) >= (int)sizeof(path))
			continue;
		*ret_fd = bh_path_open(AT_FDCWD, path, O_RDWR | O_NONBLOCK | O_NOCTTY, 0,
				       BH_PATH_HOST, err);
		return *ret_fd < 0 ? *ret_fd : 0;
	}
	return 0;
}

static int listen_all(struct bh_link *link, struct bh_err *err)
{
	uint32_t port = has_vsock() ? port_to_call() : 0;
	int fd, r = open_serial(&fd, err);

	if (r < 0)
		return r;
	if (fd < 0 && !port)
		return bh_err_set(err, -ENODEV,
				  "find vsock or a serial port named " BH_LINK_SERIAL_NAME);
	if (fd >= 0)
		r = bh_link_add_mux(link, fd, BH_MUX_GUEST, err);
	return r == 0 && port ? listen_vsock(link, port, err) : r;
}

int bh_link_listen(struct bh_loop *loop, bh_link_accept_fn accept, bh_link_dead_fn dead, void *arg,
		   struct bh_link **ret, struct bh_err *err)
{
	struct bh_link *link = bh_link_new(loop, dead, arg);
	int r;

	*ret = NULL;
	if (!link)
		return bh_err_oom(err);
	link->accept = accept;
	r = listen_all(link, err);
	if (r < 0)
		bh_link_free(link);
	else
		*ret = link;
	return r;
}
