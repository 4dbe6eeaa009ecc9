// What nearly every test includes, and what takes a compiler long to read. Each file still names what it needs itself.
#pragma once

#include "../bytes.hpp"
#include "../catch.hpp"
#include "../expect_error.hpp"
#include "../temporary_folder.hpp"
