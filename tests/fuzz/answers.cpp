// Answer files of others: PackStack's and DevStack's.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "deploy/answers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto read : {&pilvi::cli::read_packstack, &pilvi::cli::read_localconf}) {
        const pilvi::cli::Answers answers = read(text);
        if (!answers.usable()) continue;
        try {
            const pilvi::cli::Deployment deployment = pilvi::cli::deployment_of(answers.values);
            // What goes between quotes into a file does not end them; what goes to ssh as a host is no option.
            for (const pilvi::cli::AnsweredSetting& setting : deployment.settings)
                if (setting.value.find('\n') != std::string::npos) std::abort();
            for (const auto& host : deployment.hosts)
                if (host.name.empty() || host.name.front() == '-') std::abort();
        } catch (const pilvi::Error&) {
        }
    }
    return 0;
}
