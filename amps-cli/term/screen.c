#include "amps-cli/term/screen.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

/* alternate buffer, no cursor, no wrapping of long lines; and back */
#define TAKE "\033[?1049h\033[?25l\033[?7l"
#define GIVE "\033[?7h\033[?25h\033[?1049l"

static void take(struct screen *s)
{
	struct termios raw = s->saved;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0; /* ^C discards typed keys: a read must not wait for them */
	raw.c_cc[VTIME] = 0;
	if (s->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs(TAKE, stdout);
	fflush(stdout);
}

static void give_back(struct screen *s)
{
	fputs(GIVE, stdout);
	fflush(stdout);
	if (s->keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &s->saved);
}

int screen_open(struct screen *s)
{
	static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
	sigset_t set;

	assert(isatty(STDOUT_FILENO));
	*s = (struct screen){.signals = -1};
	sigemptyset(&set);
	for (size_t i = 0; i < array_size(watched); i++)
		sigaddset(&set, watched[i]);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, &s->mask);
	s->keys = tcgetattr(STDIN_FILENO, &s->saved) == 0;
	take(s);
	return 0;
}

void screen_close(struct screen *s)
{
	if (s->signals < 0)
		return;
	give_back(s);
	close_fd(&s->signals);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

void screen_draw(const struct buf *lines)
{
	struct winsize size = {0};
	const char *p = lines->data;
	unsigned rows;

	rows = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
	fputs("\033[H", stdout);
	for (unsigned row = 0; row < rows && p != NULL && *p != '\0'; row++) {
		size_t len = strcspn(p, "\n");

		/* a newline behind the last line would scroll the first away */
		if (row > 0)
			fputc('\n', stdout);
		fwrite(p, 1, len, stdout);
		fputs("\033[K", stdout);
		p += len + (p[len] == '\n');
	}
	fputs("\033[J", stdout);
	fflush(stdout);
}

/* True when the signal ends the program. */
static bool take_signal(struct screen *s)
{
	struct signalfd_siginfo info;

	assert(s->signals >= 0);
	if (read(s->signals, &info, sizeof(info)) != sizeof(info) || info.ssi_signo == SIGWINCH)
		return false;
	if (info.ssi_signo != SIGTSTP)
		return true;
	give_back(s);
	raise(SIGSTOP);
	take(s);
	return false;
}

bool screen_wait(struct screen *s, int timeout_ms)
{
	struct pollfd fds[] = {{.fd = s->signals, .events = POLLIN},
			       {.fd = s->keys ? STDIN_FILENO : -1, .events = POLLIN}};
	char key;
	ssize_t n;

	assert(s->signals >= 0);
	if (poll(fds, array_size(fds), timeout_ms) <= 0)
		return false;
	if (fds[0].revents != 0)
		return take_signal(s);
	n = read(STDIN_FILENO, &key, 1);
	/* the terminal has gone */
	if (n == 0)
		return fds[1].revents & (POLLHUP | POLLERR);
	return n < 0 || key == 'q' || key == 'Q' || key == 3;
}
