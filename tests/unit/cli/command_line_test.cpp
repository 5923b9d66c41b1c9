// Every command of pilvi says what it takes, and takes nothing else.
#include "command_line.h"

#include <doctest/doctest.h>

#include "service/subcommands.h"

using namespace pilvi;
using namespace pilvi::cli;

namespace {

void check_command(const CLI::App& command, const std::string& path, int& commands) {
    CAPTURE(path);
    ++commands;
    CHECK_FALSE(command.get_description().empty());
    CHECK_FALSE(command.get_allow_extras());
    CHECK_FALSE(command.get_prefix_command());
    const std::string help = command.help();
    for (const CLI::Option* option : command.get_options()) {
        const std::string name = option->get_name();
        CAPTURE(name);
        CHECK_FALSE(option->get_description().empty());
        CHECK_FALSE(option->get_group().empty());
        CHECK(help.find(option->get_description()) != std::string::npos);
        for (const std::string& word : option->get_lnames()) CHECK(help.find("--" + word) != std::string::npos);
    }
    for (const CLI::App* child : command.get_subcommands([](const CLI::App*) { return true; })) {
        CHECK_FALSE(child->get_group().empty());
        check_command(*child, path + " " + child->get_name(), commands);
    }
}

// The daemon's arguments that come of a command line; empty where it is refused.
std::vector<std::string> handed_over(const std::string& text) {
    CommandLine line;
    CLI::App app;
    declare_commands(app, line);
    try {
        app.parse(text);
    } catch (const CLI::ParseError&) {
        return {};
    }
    return line.daemon_arguments;
}

}  // namespace

TEST_CASE("every option that is parsed is explained") {
    CommandLine line;
    CLI::App app{"Operates a node", "pilvi"};
    declare_commands(app, line);
    int commands = 0;
    check_command(app, "pilvi", commands);
    CHECK(commands > 30);
}

TEST_CASE("a daemon's own subcommand gets what was given") {
    using Words = std::vector<std::string>;
    CHECK(handed_over("policy check identity GET /v3/users --user u --roles a,b --target x=1 --target=y=2 --system") ==
          Words{"policy-check", "--user=u", "--system", "--roles=a,b", "--target=x=1", "--target=y=2", "GET", "/v3/users"});
    CHECK(handed_over("policy check identity identity:get_user") == Words{"policy-check", "identity:get_user"});
    CHECK(handed_over("policy list image") == Words{"policy-list"});
    CHECK(handed_over("identity mapping test --rules r --input i") == Words{"mapping-test", "--rules=r", "--input=i"});
    CHECK(handed_over("identity bootstrap --endpoint image=http://i:1 --host h") == Words{"--host=h", "--endpoint=image=http://i:1"});
    for (const char* refused :
         {"policy check", "policy check identity", "policy check nova x", "policy check identity x --loud", "policy list identity x",
          "identity mapping test --rules r", "identity bootstrap x", "identity bootstrap --admin-password p"})
        CHECK(handed_over(refused).empty());
}
