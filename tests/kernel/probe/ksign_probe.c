// SPDX-License-Identifier: GPL-2.0

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>

/* The judges look for this line: a module that was accepted has run. */
static int __init ksign_probe_init(void)
{
	pr_notice("loaded\n");
	return 0;
}

static void __exit ksign_probe_exit(void)
{
}

module_init(ksign_probe_init);
module_exit(ksign_probe_exit);

MODULE_DESCRIPTION("What ksign's kernel tests load");
MODULE_LICENSE("GPL");
