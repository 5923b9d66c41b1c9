// The command line of pilvi token, node, join, pxe and role.
#include "node_line.h"

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <memory>

#include "deploy/answer_keys.h"
#include "deploy/deploy.h"
#include "deploy/provision.h"
#include "node/facts.h"

namespace pilvi::cli {
namespace {

// Of pilvi provision, as the command line has them.
struct ProvisionLine {
    std::vector<std::string> pools, properties;
};

struct Line {
    TokenOptions token;
    JoinCommand join;
    AcceptOptions accept;
    PxeOptions pxe;
    std::string life = "1h", id, role;
    std::vector<std::string> roles, names;
    DeployOptions deploy;
    ProvisionOptions provision;
    ProvisionLine pairs;
    std::string token_file;
    bool json = false, force = false;
};

std::chrono::seconds seconds_of(const std::string& text) {
    std::size_t used = 0;
    long long number = 0;
    try {
        number = std::stoll(text, &used);
    } catch (const std::exception&) {
        used = 0;
    }
    const std::string unit = text.substr(used);
    const long long factor = unit == "s" || unit.empty() ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86400 : 0;
    if (used == 0 || factor == 0 || number < 1 || number > 1'000'000)
        throw CLI::ValidationError("--life", text + " is not a time such as 30m, 12h or 2d");
    return std::chrono::seconds(number * factor);
}

// "A-B" with '-', "NAME=VALUE" with '='.
std::pair<std::string, std::string> halves(const std::string& text, char between) {
    const std::size_t at = text.find(between);
    if (at == std::string::npos || at == 0) throw CLI::ValidationError(text, fmt::format("is not FIRST{}SECOND", between));
    return {text.substr(0, at), text.substr(at + 1)};
}

void add_provision(CLI::App& app, const Access& access, std::function<int()>& run, ProvisionOptions& options, ProvisionLine& line) {
    Provision& what = options.what;
    CLI::App* command = app.add_subcommand(
        "provision", "Makes what a cloud begins with, a part at a time, where it is missing; on a controller. pilvi deploy runs it");
    command
        ->add_option("PART", options.part,
                     "catalogue (of its own region alone), flavors, image, networks (with the project demo), server, files, or summary")
        ->required()
        ->check(CLI::IsMember(std::vector<std::string>(std::begin(provision_part_names), std::end(provision_part_names))));
    command->add_option("--image", what.image, "File or URL (the guest of the package pilvi-guest-image)");
    command->add_option("--image-name", what.image_name, "Name of the image")->capture_default_str();
    command->add_option("--image-format", what.image_format, "Its disk format")->capture_default_str();
    command->add_option("--image-property", line.properties, "NAME=VALUE; may be repeated")->allow_extra_args(false);
    command->add_option("--image-user", what.image_user, "Who logs in to it")->capture_default_str();
    command->add_option("--floating-range", what.floating_range, "Addresses of the external network")->capture_default_str();
    command->add_option("--gateway", what.gateway, "Its gateway (its first address)");
    command->add_option("--pool", line.pools, "FIRST-LAST: addresses that it gives away; may be repeated")->allow_extra_args(false);
    command->add_option("--fixed-range", what.fixed_range, "Addresses of the demo's own network")->capture_default_str();
    command->add_option("--physical-network", what.physical_network, "Physical network of the external one")->capture_default_str();
    command->add_option("--server", what.server, "Name of the first server");
    command->add_flag("--demo", what.demo, "files, summary: of the user demo too");
    command->add_option("--home", options.home, "Directory of keystonerc and clouds.yaml")->capture_default_str();
    command->add_option("--demo-password-file", options.demo_password_file, "Password of the user demo")->capture_default_str();
    command->callback([&access, &run, &options, &line] {
        for (const std::string& pool : line.pools) options.what.pools.push_back(halves(pool, '-'));
        for (const std::string& property : line.properties) options.what.image_properties.push_back(halves(property, '='));
        run = [&access, &options] { return provision(access, options); };
    });
}

}  // namespace

void add_node_commands(CLI::App& app, const Access& access, std::function<int()>& run) {
    const auto line = std::make_shared<Line>();
    const auto json = [&](CLI::App* command) { command->add_flag("--json", line->json, "As JSON"); };
    CLI::App* token = app.add_subcommand("token", "One-time tokens for nodes that join this cluster; on a controller")->require_subcommand(1);
    CLI::App* create = token->add_subcommand("create", "Prints a new token");
    create->add_option("--role", line->token.roles, "Role of the node: compute, network, storage; may be repeated")->required()->delimiter(',');
    create->add_option("--life", line->life, "How long it may be used: 30m, 12h, 2d")->capture_default_str();
    json(create);
    create->callback([&access, &run, line] {
        line->token.life = seconds_of(line->life);
        line->token.json = line->json;
        run = [&access, line] { return token_create(access, line->token); };
    });
    CLI::App* tokens = token->add_subcommand("list", "The tokens that were made, without their secrets");
    json(tokens);
    tokens->callback([&access, &run, line] { run = [&access, line] { return token_list(access, line->json); }; });
    CLI::App* token_gone = token->add_subcommand("remove", "A token that was not used is worth nothing any more");
    token_gone->add_option("ID", line->id, "As pilvi token list shows it")->required();
    token_gone->callback([&access, &run, line] { run = [&access, line] { return token_remove(access, line->id); }; });

    CLI::App* node = app.add_subcommand("node", "The members of this cluster")->require_subcommand(1);
    CLI::App* nodes = node->add_subcommand("list", "The nodes; on a controller");
    json(nodes);
    nodes->callback([&access, &run, line] { run = [&access, line] { return node_list(access, line->json); }; });
    CLI::App* gone = node->add_subcommand("remove", "Revokes a node's certificates and forgets its agents; on a controller");
    gone->add_option("NODE", line->id, "Name or id")->required();
    gone->callback([&access, &run, line] { run = [&access, line] { return node_remove(access, line->id); }; });
    CLI::App* accept = node->add_subcommand("accept", "Gives a machine that waits its roles; it joins by itself; on a controller");
    accept->add_option("NODE", line->accept.who, "The fingerprint that the machine shows, or its name as pilvi node list has it")->required();
    accept->add_option("--role", line->accept.roles, "Role of the node: compute, network, storage; may be repeated")->required()->delimiter(',');
    accept->add_option("--name", line->accept.name, "Name of the node, in place of its own");
    accept->callback([&access, &run, line] { run = [&access, line] { return node_accept(access, line->accept); }; });
    CLI::App* renew = node->add_subcommand("renew", "A new certificate for this node where it is due; pilvi-renew.timer runs it");
    renew->add_flag("--force", line->force, "Also where it is not");
    renew->callback([&access, &run, line] { run = [&access, line] { return node_renew(access, line->force); }; });

    CLI::App* facts = node->add_subcommand("facts", "What this machine says about itself, as JSON; pilvi deploy asks for it");
    facts->add_option("NAME", line->names, "Names that it should be able to resolve");
    facts->callback([&run, line] {
        run = [line] {
            std::puts(to_text(to_json(look_at_machine(line->names))).c_str());
            return 0;
        };
    });

    CLI::App* joining = app.add_subcommand("join", "Makes this machine a node of a controller's cluster, in the roles that the token says");
    joining->add_option("CONTROLLER", line->join.controller, "Name or address of the controller")->required();
    joining->add_option("TOKEN", line->join.token, "What pilvi token create printed there; - reads it from standard input");
    joining->add_option(
        "--authority", line->join.authority,
        "Without a token: SHA-256 of the key of the cluster's authority; waits until the operator accepts this machine (pilvi node accept)");
    joining->add_option("--mac", line->join.mac, "Without a token: the Ethernet address that this machine is known by");
    joining->add_option("--name", line->join.name, "Name of the node (the host name)");
    joining->add_flag("!--no-start", line->join.start, "Only certificate and configuration");
    joining->callback([&access, &run, line] {
        if (line->join.token.empty() == line->join.authority.empty()) throw CLI::RequiredError("TOKEN, or --authority,");
        if (line->join.token == "-") std::getline(std::cin, line->join.token);
        run = [&access, line] { return join_command(access, line->join); };
    });

    CLI::App* answers = app.add_subcommand("answers", "Answer files for pilvi deploy")->require_subcommand(1);
    answers->add_subcommand("generate", "Prints an answer file with every answer and its meaning")->callback([&run] {
        run = [] {
            std::fputs(write_answers({}).c_str(), stdout);
            return 0;
        };
    });
    answers->add_subcommand("keys", "Prints what is made of each key of an answer file and each variable of local.conf, as Markdown")
        ->callback([&run] {
            run = [] {
                std::fputs(answer_page().c_str(), stdout);
                return 0;
            };
        });
    add_provision(app, access, run, line->provision, line->pairs);
    CLI::App* deploying = app.add_subcommand("deploy", "Makes machines a cloud: here, or over ssh; may be run again at any time");
    CLI::Option* alone = deploying->add_flag("--allinone", line->deploy.allinone, "Everything on this machine");
    CLI::Option* file = deploying->add_option("--answer-file", line->deploy.answer_file, "Answers: ours, PackStack's, or DevStack's local.conf")
                            ->check(CLI::ExistingFile);
    CLI::Option* hosts =
        deploying->add_option("--install-hosts", line->deploy.install_hosts, "HOST,HOST...: the first is the controller")->delimiter(',');
    alone->excludes(hosts);
    deploying->add_option("--answer", line->deploy.answers, "CONFIG_KEY=VALUE, over the file's; may be repeated")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    deploying->add_flag("--dry-run", line->deploy.dry_run, "Looks at the machines and prints what would be done");
    deploying->add_option("--log", line->deploy.log, "Where every command and its output goes")->capture_default_str();
    deploying->add_option("--ssh-user", line->deploy.ssh_user, "Who logs in; needs root's powers")->capture_default_str();
    deploying->callback([&run, line, alone, file, hosts] {
        if (alone->count() + file->count() + hosts->count() == 0) throw CLI::RequiredError("--allinone, --answer-file or --install-hosts");
        run = [line] {
            SystemCommandRunner runner;
            return deploy(runner, line->deploy);
        };
    });

    CLI::App* pxe = app.add_subcommand("pxe", "Starts machines from the network")->require_subcommand(1);
    CLI::App* serve = pxe->add_subcommand("serve", "Serves a provisioning network; machines that start from it wait for a role; on a controller");
    serve->add_option("--interface", line->pxe.interface, "Its interface here, with an IPv4 address")->required();
    serve->add_option("--media", line->pxe.media, "Directory that image-build/media pxe made")->capture_default_str();
    serve->add_option("--answers", line->pxe.answers, "Directory of settings, MAC.conf each")->capture_default_str();
    serve->add_option("--first", line->pxe.first, "First address to hand out (the network's)");
    serve->add_option("--last", line->pxe.last, "Last address to hand out (the network's)");
    serve->add_option("--controller", line->pxe.controller, "Name or address of the controller as nodes reach it (this machine on that network)");
    serve->add_option("--port", line->pxe.port, "TCP port of the files")->capture_default_str()->check(CLI::Range(1, 65535));
    serve->callback([&access, &run, line] { run = [&access, line] { return pxe_serve(access, line->pxe); }; });

    CLI::App* role = app.add_subcommand("role", "The roles of this node")->require_subcommand(1);
    CLI::App* roles = role->add_subcommand("list", "Those that are enabled");
    json(roles);
    roles->callback([&access, &run, line] { run = [&access, line] { return role_list(access, line->json); }; });
    CLI::App* add = role->add_subcommand("add", "Enables and starts a role");
    add->add_option("ROLE", line->roles, "controller, compute, network, storage")->required();
    add->callback([&access, &run, line] { run = [&access, line] { return role_add(access, line->roles); }; });
    CLI::App* remove = role->add_subcommand("remove", "Stops and disables a role");
    remove->add_option("ROLE", line->role, "controller, compute, network, storage")->required();
    remove->callback([&access, &run, line] { run = [&access, line] { return role_remove(access, line->role); }; });
}

}  // namespace pilvi::cli
