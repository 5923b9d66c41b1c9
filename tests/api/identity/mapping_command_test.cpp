// `pilvi identity mapping test`: what it prints, and what it refuses.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "base/fd.h"
#include "fixture.h"
#include "mapping_test.h"
#include "service/subcommands.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

int run(const std::vector<std::string>& arguments) {
    return identity::run_mapping_test(Config({identity::settings}), parse_arguments(subcommands::mapping_test, arguments));
}

// What the command writes to stdout; it has to end with 0.
std::string printed(const TempDir& dir, const std::vector<std::string>& arguments) {
    std::fflush(stdout);
    const UniqueFd before(::dup(1)), file(::open((dir / "out").c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
    ::dup2(file.get(), 1);
    const int status = run(arguments);
    std::fflush(stdout);
    ::dup2(before.get(), 1);
    CHECK(status == 0);
    return read_file(dir / "out");
}

}  // namespace

TEST_CASE("mapping test: what rules make of an assertion") {
    const TempDir dir;
    const std::string rules = dir / "rules.json", input = dir / "input";
    write_file(rules, R"([{"remote": [{"type": "X-USER"}, {"type": "X-ROLE", "any_one_of": ["staff"]}],
                           "local": [{"user": {"name": "{0}"}, "group": {"id": "0cd5e9"}}]}])");
    write_file(input, "X-USER: ann\nX-ROLE: staff\nOther: x\n");
    const json::value made = parse_json(printed(dir, {"--rules", rules, "--input", input, "--prefix", "X-"}));
    CHECK(*find_path(made, "user.name") == "ann");
    CHECK(to_text(made).find("0cd5e9") != std::string::npos);
    const auto refused = [&](const std::vector<std::string>& arguments) { CHECK_THROWS_AS(run(arguments), Error); };
    refused({});
    refused({"--rules", rules});
    refused({"--rules", rules, "--input"});
    refused({"--rules", rules, "--input", input, "--loud", "1"});
    refused({"--rules", dir / "none", "--input", input});
    refused({"--rules", input, "--input", input});
    write_file(rules, R"([{"local": []}])");
    refused({"--rules", rules, "--input", input});
}
