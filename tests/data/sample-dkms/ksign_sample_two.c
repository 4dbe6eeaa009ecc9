// SPDX-License-Identifier: GPL-2.0

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>

static int __init ksign_sample_two_init(void)
{
	pr_info("loaded\n");
	return 0;
}

static void __exit ksign_sample_two_exit(void)
{
	pr_info("unloaded\n");
}

module_init(ksign_sample_two_init);
module_exit(ksign_sample_two_exit);

MODULE_DESCRIPTION("Sample module of ksign's tests (two of two)");
MODULE_AUTHOR("The ksign authors");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
