/* SPDX-License-Identifier: Apache-2.0 */
#include "observer/screen.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/path.h"

#define ESC         "\033"
#define ENTER       ESC "[?1049h" ESC "[?25l"
#define LEAVE       ESC "[m" ESC "[?25h" ESC "[?1049l"
#define HOME        ESC "[H"
#define REVERSE     ESC "[7m"
#define PLAIN       ESC "[m"
#define CLEAR_LINE  ESC "[K"
#define CLEAR_BELOW ESC "[J"
#define ROWS        24
#define COLUMNS     80

/* What to give back: a handler of signals has no other way to it. */
static struct termios before;
static volatile sig_atomic_t taken;

void bh_screen_close(void)
{
	if (!taken)
		return;
	taken = 0;
	(void)!write(STDOUT_FILENO, LEAVE, strlen(LEAVE));
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* Context: signal handler, of the program's own faults. */
static void on_fault(int sig)
{
	bh_screen_close();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void watch_faults(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
	struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_RESETHAND };

	for (size_t i = 0; i < BH_ARRAY_SIZE(faults); i++)
		sigaction(faults[i], &action, NULL);
}

int bh_screen_open(struct bh_screen *screen, struct bh_err *err)
{
	struct termios raw;

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
		return bh_err_as(err, BH_ERR_SPEC, -ENOTTY,
				 "standard input and output are no terminal");
	raw = before;
	raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
	raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
	raw.c_oflag &= ~(tcflag_t)OPOST;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	taken = 1;
	watch_faults();
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0 ||
	    bh_fd_write(STDOUT_FILENO, ENTER, strlen(ENTER)) < 0) {
		bh_err_set(err, -errno, "take the terminal over");
		bh_screen_close();
		return err->code;
	}
	bh_screen_measure(screen);
	return 0;
}

void bh_screen_measure(struct bh_screen *screen)
{
	struct winsize size;

	*screen = (struct bh_screen){ .rows = ROWS, .columns = COLUMNS };
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		return;
	screen->rows = size.ws_row;
	screen->columns = size.ws_col;
}

int bh_screen_draw(const struct bh_screen *screen, const struct bh_buf *text, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	const char *line = bh_buf_str(text);
	int r;

	bh_buf_puts(&out, HOME);
	for (unsigned int row = 0; row < screen->rows && *line; row++) {
		size_t len = strcspn(line, "\n");
		bool reverse = *line == '\1';
		size_t shown = len - reverse < screen->columns ? len - reverse : screen->columns;

		/* No newline after the last row: the screen would move. */
		bh_buf_printf(&out, "%s%s%.*s%s" CLEAR_LINE, row ? "\r\n" : "",
			      reverse ? REVERSE : "", (int)shown, line + reverse, PLAIN);
		line += len + (line[len] == '\n');
	}
	bh_buf_puts(&out, CLEAR_BELOW);
	if (out.failed)
		return bh_err_oom(err);
	r = bh_fd_write(STDOUT_FILENO, out.data, out.len);
	return r < 0 ? bh_err_set(err, r, "write to the terminal") : 0;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static const struct {
	const char *sequence;
	int key;
} sequences[] = {
	{ ESC "[A", BH_KEY_UP },   { ESC "OA", BH_KEY_UP },       { ESC "[B", BH_KEY_DOWN },
	{ ESC "OB", BH_KEY_DOWN }, { ESC "[5~", BH_KEY_PAGE_UP }, { ESC "[6~", BH_KEY_PAGE_DOWN },
};

int bh_keys_next(struct bh_keys *keys, char c)
{
	bool begun = false;

	if (c == *ESC)
		keys->n = 0;
	else if (keys->n == 0)
		return (unsigned char)c;
	keys->sequence[keys->n++] = c;
	for (size_t i = 0; i < BH_ARRAY_SIZE(sequences); i++) {
		const char *s = sequences[i].sequence;

		if (strncmp(s, keys->sequence, keys->n) != 0)
			continue;
		begun = true;
		if (!s[keys->n]) {
			keys->n = 0;
			return sequences[i].key;
		}
	}
	/* One that is not known ends with a letter, or is longer than any that is. */
	if (!begun && (keys->n == sizeof(keys->sequence) || (c >= '@' && c != '[' && c != 'O')))
		keys->n = 0;
	return BH_KEY_NONE;
}
