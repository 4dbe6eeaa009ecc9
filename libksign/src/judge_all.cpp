#include <ksign/verdict.hpp>

#include "parallel.hpp"

namespace ksign {

void judge_all(const Judge& judge, const std::vector<std::filesystem::path>& modules, unsigned threads,
               std::uint64_t max_payload, const std::function<void(std::size_t, const JudgedModule&)>& done) {
    for_each_in_order<JudgedModule>(
        modules.size(), threads,
        [&](std::size_t index) {
            JudgedModule judged;
            try {
                judged.verdict = judge.judge(modules[index], max_payload);
            } catch (const Error& error) {
                judged.error = error;
            }
            return judged;
        },
        done);
}

} // namespace ksign
