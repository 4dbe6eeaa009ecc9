// Catch2 v2 writes main() here; v3 ignores the macro and brings its own in a library.
#define CATCH_CONFIG_MAIN
#include "catch.hpp"
