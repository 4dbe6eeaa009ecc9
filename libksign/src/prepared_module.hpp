// A module that is signed but for the last step.
#pragma once

#include "file.hpp"

#include <ksign/sign.hpp>

#include <memory>

namespace ksign {

/// Holds the module's lock. Destroyed before its output is committed, it leaves everything as it was.
struct PreparedModule {
    /// Does all that sign_module() does before it commits. Throws Error.
    PreparedModule(InputFile input, const Signer& signer, const SignOptions& options);

    const InputFile file;
    SignResult result;
    std::unique_ptr<ReplacementFile>
        output; ///< To be committed if file is unchanged; null if nothing is to be written.
};

} // namespace ksign
