// Marks what leaves the shared library; everything else is hidden.
#pragma once

#define KSIGN_EXPORT __attribute__((visibility("default")))
