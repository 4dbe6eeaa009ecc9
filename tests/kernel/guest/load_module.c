/* load_module FILE FLAGS: one finit_module(2), and what the kernel answers: OK or the name of the error.
 * Not insmod: busybox's falls back to init_module(2), and hides the error. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **words)
{
	if (count != 3)
		return 2;
	int file = open(words[1], O_RDONLY | O_CLOEXEC);
	if (file < 0) {
		printf("can't open: %s\n", strerrorname_np(errno));
		return 1;
	}
	long result = syscall(SYS_finit_module, file, "", atoi(words[2]));
	puts(result == 0 ? "OK" : strerrorname_np(errno));
	return 0;
}
