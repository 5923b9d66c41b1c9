// pilvi: the operator's command. The command line; what it does is in commands.h.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <optional>
#include <set>

#include "commands.h"
#include "completion.h"
#include "node_line.h"
#include "service/service.h"

namespace {

using namespace pilvi::cli;

struct CommandLine {
    Access access;
    TryOptions trial;
    StatusOptions status;
    DoctorOptions doctor;
    MetadefOptions metadefs;
    std::string identity_command;
    std::vector<std::string> bootstrap_arguments, daemon_arguments;
    std::string daemon;
    std::string shell;
    std::optional<int> wait_seconds;
    int (*run)(CommandLine&) = nullptr;
};

void add_try(CLI::App& app, CommandLine& line) {
    CLI::App* command = app.add_subcommand("try", "A whole cloud in a process group, without root: the APIs are real, servers only seem to run");
    // Taken from the line before it is parsed: what follows may look like options.
    command
        ->add_option("--exec", line.trial.command,
                     "Run this command with OS_CLIENT_CONFIG_FILE and OS_CLOUD set, then end; takes the rest of the line")
        ->type_name("COMMAND");
    command->add_option("--directory", line.trial.directory, "Keep the state here and use it again (a temporary directory otherwise)");
    command->add_option("--agents", line.trial.compute_agents, "Compute nodes")->check(CLI::Range(1, 1000));
    command->add_option("--set", line.trial.settings, "A daemon's setting; may be repeated")->type_name("DAEMON:KEY=VALUE")->allow_extra_args(false);
    command->add_flag("--keep", line.trial.keep, "Leave the temporary directory");
    command->add_flag("!--empty", line.trial.seed, "Without flavors, image and external network");
    command->callback([&line] { line.run = [](CommandLine& l) { return try_cloud(l.trial); }; });
}

void add_status(CLI::App& app, CommandLine& line) {
    CLI::App* command = app.add_subcommand("status", "The daemons of this node, its APIs and agents");
    CLI::Option* wait = command->add_option("--wait", line.wait_seconds, "Until all is ready, at most so many seconds (300 without a number)")
                            ->expected(0, 1)
                            ->default_str("300");
    command->add_flag("--json", line.status.json, "As JSON");
    command->add_flag("--local", line.status.local, "Only what runs on this node");
    command->callback([&line, wait] {
        if (wait->count() > 0) line.status.wait = std::chrono::seconds(line.wait_seconds.value_or(300));
        line.run = [](CommandLine& l) { return status(l.access, l.status); };
    });
}

void add_doctor(CLI::App& app, CommandLine& line) {
    CLI::App* command = app.add_subcommand("doctor", "Looks for what is wrong on this node, and for what belongs to nothing any more");
    command->add_flag("--json", line.doctor.json, "As JSON");
    command->callback([&line] { line.run = [](CommandLine& l) { return doctor(l.access, l.doctor); }; });
}

// A subcommand that the daemon itself has: `pilvi policy check identity ARGUMENT...` runs pilvi-identity policy-check ARGUMENT...
void hand_over(CLI::App* command, CommandLine& line, std::string daemon, const std::string& subcommand) {
    command->prefix_command();
    command->callback([&line, command, daemon = std::move(daemon), subcommand] {
        line.daemon_arguments = command->remaining();
        line.daemon = daemon;
        if (line.daemon.empty()) {
            if (line.daemon_arguments.empty()) throw CLI::RequiredError("SERVICE");
            line.daemon = line.daemon_arguments.front();
            line.daemon_arguments.erase(line.daemon_arguments.begin());
            static const std::set<std::string> services{"identity", "image", "placement", "compute", "network"};
            if (!services.contains(line.daemon)) throw CLI::ValidationError("SERVICE", line.daemon + " is no service");
        }
        line.daemon_arguments.insert(line.daemon_arguments.begin(), subcommand);
        line.run = [](CommandLine& l) { return daemon_command(l.daemon, l.daemon_arguments); };
    });
}

void add_identity(CLI::App& app, CommandLine& line) {
    CLI::App* identity = app.add_subcommand("identity", "The identity service")->require_subcommand(1);
    CLI::App* command =
        identity->add_subcommand("bootstrap", "Makes or repairs administrator, service users and catalogue; may be run again at any time")
            ->prefix_command();
    command->callback([&line, command] {
        line.bootstrap_arguments = command->remaining();
        line.run = [](CommandLine& l) { return identity_bootstrap(l.access, l.bootstrap_arguments); };
    });
    constexpr std::pair<const char*, const char*> keys[] = {
        {"fernet-setup", "Makes the keys of Fernet tokens where there are none"},
        {"fernet-rotate", "A new key for Fernet tokens; those that were issued stay good"},
        {"jws-setup", "Makes the keys of JWS tokens where there are none"},
        {"jws-rotate", "A new key for JWS tokens; those that were issued stay good"},
        {"credential-setup", "Makes the keys that seal stored secrets where there are none"},
        {"credential-migrate", "Seals every stored secret with the newest key"},
        {"credential-rotate", "A new key for stored secrets, and seals all of them with it"},
        {"token-flush", "Says why there is nothing to flush"},
    };
    for (const auto& [name, description] : keys)
        identity->add_subcommand(name, description)->callback([&line, command = std::string(name)] {
            line.identity_command = command;
            line.run = [](CommandLine& l) { return identity_command(l.identity_command); };
        });
    CLI::App* mapping = identity->add_subcommand("mapping", "Mappings of federated users")->require_subcommand(1);
    hand_over(mapping->add_subcommand("test", "--rules FILE --input FILE [--prefix TEXT]: what the rules make of an assertion"), line, "identity",
              "mapping-test");
}

void add_policy(CLI::App& app, CommandLine& line) {
    CLI::App* policy = app.add_subcommand("policy", "Who may do what")->require_subcommand(1);
    hand_over(policy->add_subcommand("check", "SERVICE OPERATION ...: explains a decision, rule by rule; SERVICE --help says how"), line, "",
              "policy-check");
    hand_over(policy->add_subcommand("list", "SERVICE: its default rules, as a policy.yaml of comments"), line, "", "policy-list");
}

void add_image(CLI::App& app, CommandLine& line) {
    CLI::App* image = app.add_subcommand("image", "The image service")->require_subcommand(1);
    CLI::App* metadefs = image->add_subcommand("metadefs", "Metadata definitions")->require_subcommand(1);
    CLI::App* command = metadefs->add_subcommand("load", "Loads namespaces from JSON files; one that is there stays as it is");
    command->add_option("PLACE", line.metadefs.place, "Directory of *.json files, or one file")->required();
    command->add_flag("--overwrite", line.metadefs.overwrite, "Replace namespaces that are there");
    command->callback([&line] { line.run = [](CommandLine& l) { return load_metadefs(l.access, l.metadefs); }; });
}

// What follows --exec belongs to the command, its options too. The number of arguments before it.
int take_command(int argc, char** argv, CommandLine& line) {
    for (int i = 1; i < argc; ++i) {
        if (std::string_view(argv[i]) != "--exec") continue;
        line.trial.command.assign(argv + i + 1, argv + argc);
        return i;
    }
    return argc;
}

}  // namespace

int main(int argc, char** argv) {
    CommandLine line;
    const int given = argc;
    argc = take_command(argc, argv, line);
    if (given > argc && (line.trial.command.empty() || argc < 2 || std::string_view(argv[1]) != "try")) {
        std::fputs("pilvi: --exec belongs to pilvi try and takes a command\n", stderr);
        return 2;
    }
    CLI::App app{"Operates a node of a Pilvi cloud", "pilvi"};
    app.set_version_flag("--version", "pilvi " + std::string(pilvi::version()));
    app.set_help_all_flag("--help-all", "Print the help of every command and exit");
    app.add_option("--auth-url", line.access.auth_url, "The identity API")->envname("PILVI_AUTH_URL");
    app.add_option("--credentials", line.access.credentials, "Directory of the node's credentials")->envname("PILVI_CREDENTIALS");
    app.add_option("--state", line.access.state, "Directory of the node's state")->envname("PILVI_STATE_DIRECTORY");
    app.add_option("--configuration", line.access.configuration, "Directory of the node's configuration")->envname("PILVI_CONFIGURATION");
    app.add_option("--cluster-socket", line.access.cluster_socket, "Where pilvi-cluster hears the operator")->envname("PILVI_CLUSTER_SOCKET");
    app.require_subcommand(1);
    add_status(app, line);
    add_doctor(app, line);
    add_try(app, line);
    add_identity(app, line);
    add_image(app, line);
    add_policy(app, line);
    std::function<int()> node_command;
    add_node_commands(app, line.access, node_command);
    app.add_subcommand("setup", "Makes the credentials of this node where they are missing")->callback([&line] {
        line.run = [](CommandLine&) { return setup(); };
    });
    app.add_subcommand("completion", "Prints the completion of this command for a shell")
        ->add_option("SHELL", line.shell, "bash or zsh")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh"}));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        if (!line.shell.empty()) return std::fputs(completion(app, line.shell).c_str(), stdout) < 0 ? 1 : 0;
        return node_command ? node_command() : line.run(line);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pilvi: %s\n", error.what());
        return 2;
    }
}
