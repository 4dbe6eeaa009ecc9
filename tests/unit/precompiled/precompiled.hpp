// What nearly every test includes, and what takes a compiler long to read. Each file still names what it needs itself.
// (A guard, since g++ warns of "pragma once" in a header that it compiles.)
#ifndef KSIGN_TESTS_PRECOMPILED_HPP
#define KSIGN_TESTS_PRECOMPILED_HPP

#include "../bytes.hpp"
#include "../catch.hpp"
#include "../expect_error.hpp"
#include "../temporary_folder.hpp"

#endif
