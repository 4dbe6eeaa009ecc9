#include <ksign/verdict.hpp>

#include "parallel.hpp"

#include <ksign/error.hpp>

#include <algorithm>
#include <new>

namespace ksign {

namespace {

// So many are judged in a row before their verdicts are told: one takes a fraction of a millisecond, less than it costs
// to wake the thread that tells them. No more, as large modules stand together, and would be left to one thread.
constexpr std::size_t largest_group = 4;
// And small enough that every thread gets some, and the progress moves.
constexpr std::size_t least_groups = 64;

JudgedModule judge_one(const Judge& judge, const std::filesystem::path& module, std::uint64_t max_payload) {
    JudgedModule judged;
    try {
        judged.verdict = judge.judge(module, max_payload);
    } catch (const Error& error) {
        judged.error = error;
    } catch (const std::bad_alloc&) {
        judged.error = Error(ErrorCode::limit, module.string(), "takes more memory than there is",
                             "lower the limit with --max-size, or judge fewer at once with -j");
    }
    return judged;
}

} // namespace

void judge_all(const Judge& judge, const std::vector<std::filesystem::path>& modules, unsigned threads,
               std::uint64_t max_payload, const std::function<void(std::size_t, const JudgedModule&)>& done) {
    const std::size_t size = std::clamp<std::size_t>(modules.size() / least_groups, 1, largest_group);
    for_each_in_order<std::vector<JudgedModule>>(
        (modules.size() + size - 1) / size, threads,
        [&](std::size_t group) {
            std::vector<JudgedModule> results;
            for (std::size_t index = group * size; index < std::min(modules.size(), (group + 1) * size); ++index) {
                results.push_back(judge_one(judge, modules[index], max_payload));
            }
            return results;
        },
        [&](std::size_t group, const std::vector<JudgedModule>& results) {
            for (std::size_t index = 0; index < results.size(); ++index) {
                done(group * size + index, results[index]);
            }
        });
}

} // namespace ksign
