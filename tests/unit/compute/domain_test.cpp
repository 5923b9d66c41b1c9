#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include "base/error.h"
#include "base/text.h"
#include "domain/keys.h"
#include "domain/names.h"
#include "domain/scheduler.h"
#include "domain/states.h"
#include "pki/openssl.h"
#include "support/unattended.h"

using namespace pilvi::compute;

TEST_CASE("status vocabulary") {
    struct Row {
        const char *vm_state, *task_state, *status;
    };
    for (const Row& r :
         {Row{"building", "scheduling", "BUILD"}, Row{"active", "", "ACTIVE"}, Row{"active", "powering-off", "ACTIVE"},
          Row{"active", "rebooting", "REBOOT"}, Row{"active", "rebooting_hard", "HARD_REBOOT"}, Row{"stopped", "powering-on", "SHUTOFF"},
          Row{"error", "deleting", "ERROR"}, Row{"paused", "", "PAUSED"}, Row{"nonsense", "", "UNKNOWN"}})
        CHECK(status_of(r.vm_state, r.task_state, false) == r.status);
    CHECK(status_of("active", "", true) == "DELETED");
    CHECK(states_of({"active"}).vm_states == std::vector<std::string_view>{"active"});
    CHECK(states_of({"reboot"}).task_states.size() == 3);
    CHECK(states_of({"bogus"}).vm_states.empty());
}

TEST_CASE("verbs and states") {
    CHECK(may(Verb::start, "stopped", "").allowed);
    CHECK_FALSE(may(Verb::start, "active", "").allowed);
    CHECK(may(Verb::stop, "active", "").allowed);
    CHECK(may(Verb::stop, "error", "").allowed);
    CHECK(may(Verb::reboot_soft, "stopped", "").attribute == "vm_state");
    CHECK(may(Verb::reboot_soft, "active", "rebooting").attribute == "task_state");
    CHECK(may(Verb::reboot_hard, "active", "rebooting").allowed);
    CHECK(may(Verb::reboot_hard, "error", "").allowed);
}

TEST_CASE("what a report changes") {
    Known building{.vm_state = "building", .task_state = "spawning", .power = "running", .generation = 3};
    CHECK(observe(building, {.state = "building", .generation = 3}) == Change{});
    CHECK(observe(building, {.state = "running", .generation = 2}) == Change{});
    const Change up = observe(building, {.state = "running", .generation = 3});
    CHECK(up.vm_state == "active");
    CHECK(up.launched);
    CHECK(up.power_state == 1);
    CHECK(observe(building, {.state = "error", .generation = 3, .reason = "no space"}).failed == "no space");
    Known active{.vm_state = "active", .power = "running", .generation = 4, .power_state = 1};
    CHECK(observe(active, {.state = "running", .generation = 4}) == Change{});
    CHECK(observe(active, {.state = "crashed", .generation = 4}).power == "stopped");
    Known stopping = active;
    stopping.task_state = "powering-off";
    CHECK(observe(stopping, {.state = "running", .generation = 4}) == Change{});
    CHECK(observe(stopping, {.state = "stopped", .generation = 4}).finished);
    Known rebooting = active;
    rebooting.task_state = "rebooting";
    rebooting.has_task = true;
    CHECK(observe(rebooting, {.state = "stopped", .generation = 4}).power_state == 4);
    CHECK_FALSE(observe(rebooting, {.state = "stopped", .generation = 4}).vm_state);
    CHECK(observe(rebooting, {.state = "running", .generation = 4, .task_done = true}).task_seen);
    CHECK(observe(rebooting, {.state = "running", .generation = 4, .task_done = true, .task_error = "late"}).failed == "late");
    Known deleting = active;
    deleting.power = "deleted";
    CHECK_FALSE(observe(deleting, {.state = "running", .generation = 9}).gone);
    CHECK(observe(deleting, {.state = "absent", .generation = 0}).gone);
}

TEST_CASE("scheduler: filters say why, weighers spread") {
    std::vector<Candidate> hosts{{.host = "a", .zone = "nova", .free_memory_mb = 1000},
                                 {.host = "b", .zone = "nova", .free_memory_mb = 9000},
                                 {.host = "c", .zone = "other"},
                                 {.host = "d", .zone = "nova", .up = false},
                                 {.host = "e", .zone = "nova", .enabled = false}};
    Wanted wanted;
    wanted.zone = "nova";
    const Choice choice = choose(hosts, wanted);
    REQUIRE(choice.hosts.size() == 2);
    CHECK(choice.hosts[0].host == "b");
    CHECK(describe(choice.rejections).find("d: ComputeFilter: the service is down") != std::string::npos);
    CHECK(describe(choice.rejections).find("c: AvailabilityZoneFilter") != std::string::npos);
    wanted.host = "a";
    CHECK(choose(hosts, wanted).hosts.at(0).host == "a");
    wanted.host.clear();
    wanted.excluded = {"b"};
    CHECK(choose(hosts, wanted).hosts.size() == 1);
    wanted.excluded.clear();
    wanted.group_policy = "anti-affinity";
    wanted.group_hosts = {{"b", 1}};
    CHECK(choose(hosts, wanted).hosts.at(0).host == "a");
    wanted.group_policy = "affinity";
    CHECK(choose(hosts, wanted).hosts.size() == 1);
    wanted.group_policy = "soft-anti-affinity";
    CHECK(choose(hosts, wanted).hosts.size() == 2);
}

TEST_CASE("what a flavor asks placement for") {
    Wanted wanted{.vcpus = 2, .memory_mb = 512, .disk_gb = 0};
    request_of_flavor(wanted,
                      {{"resources:VCPU", "0"}, {"resources:CUSTOM_X", "3"}, {"trait:HW_A", "required"}, {"trait:HW_B", "forbidden"}, {"hw:x", "y"}});
    CHECK(wanted.resources == std::map<std::string, std::int64_t>{{"CUSTOM_X", 3}, {"MEMORY_MB", 512}});
    CHECK(wanted.required_traits.contains("HW_A"));
    CHECK(wanted.forbidden_traits.contains("HW_B"));
}

TEST_CASE("names") {
    CHECK(host_name("My Server_1", "x") == "my-server-1");
    CHECK(host_name("guest-1.domain.com", "x") == "guest-1-domain-com");
    CHECK(host_name(".-a_.", "x") == "a");
    CHECK(host_name("\xc3\xa4", "fallback") == "fallback");
    CHECK(host_name("...", "fallback") == "fallback");
    CHECK(host_name(std::string(80, 'a'), "x").size() == 63);
    CHECK(host_id("p", "").empty());
    CHECK(host_id("p", "h").size() == 56);
    CHECK(domain_name(42) == "instance-0000002a");
    CHECK(admin_password().size() == 12);
    CHECK(is_name("a b"));
    CHECK_FALSE(is_name(" a"));
    CHECK_FALSE(is_name(""));
    CHECK_FALSE(is_name("a\n"));
    CHECK_FALSE(is_name(std::string(256, 'a')));
}

TEST_CASE("ssh keys") {
    const KeyPair pair = generate_rsa("x");
    CHECK(pair.private_key.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    const auto print = ssh_fingerprint(pair.public_key);
    REQUIRE(print);
    CHECK(print->size() == 47);
    // Made and measured with ssh-keygen -E md5.
    CHECK(ssh_fingerprint("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPPq3i6PaZCjgEKlm1mO455L31fj6gQ8wvJYyeBfcxcT me") ==
          "4b:27:ca:79:93:10:a2:7e:f0:bf:e9:f6:d5:3c:04:09");
    CHECK_FALSE(ssh_fingerprint("ssh-rsa AAAA"));
    CHECK_FALSE(ssh_fingerprint("ssh-rsa not base64 !"));
    CHECK_FALSE(ssh_fingerprint("bogus AAAAC3NzaC1lZDI1NTE5AAAAIPPq3i6PaZCjgEKlm1mO455L31fj6gQ8wvJYyeBfcxcT"));
    CHECK_FALSE(ssh_fingerprint(""));
}

TEST_CASE("certificates for WinRM") {
    const KeyPair pair = generate_x509("u1, DNS:other.example");
    const auto print = x509_fingerprint(pair.public_key);
    REQUIRE(print);
    CHECK(print->size() == 59);

    const auto bundle = pilvi::base64_decode(pair.private_key);
    REQUIRE(bundle);
    auto* bytes = reinterpret_cast<const unsigned char*>(bundle->data());
    PKCS12* pkcs12 = d2i_PKCS12(nullptr, &bytes, static_cast<long>(bundle->size()));
    EVP_PKEY* key = nullptr;
    X509* certificate = nullptr;
    REQUIRE(PKCS12_parse(pkcs12, "", &key, &certificate, nullptr) == 1);
    CHECK(X509_check_private_key(certificate, key) == 1);
    CHECK(X509_verify(certificate, key) == 1);
    CHECK(X509_get_extended_key_usage(certificate) == XKU_SSL_CLIENT);
    // The whole id is the name: no part of it became another one.
    auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    REQUIRE(sk_GENERAL_NAME_num(names) == 1);
    ASN1_OBJECT* kind = nullptr;
    ASN1_TYPE* value = nullptr;
    REQUIRE(GENERAL_NAME_get0_otherName(sk_GENERAL_NAME_value(names, 0), &kind, &value) == 1);
    char oid[64];
    OBJ_obj2txt(oid, sizeof oid, kind, 1);
    CHECK(std::string(oid) == "1.3.6.1.4.1.311.20.2.3");
    CHECK(std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value->value.utf8string))) == "u1, DNS:other.example@localhost");
    GENERAL_NAMES_free(names);
    X509_free(certificate);
    EVP_PKEY_free(key);
    PKCS12_free(pkcs12);

    const pilvi::pki::CertificatePtr plain(PEM_read_bio_X509(pilvi::pki::reading(pair.public_key).get(), nullptr, nullptr, nullptr));
    const pilvi::pki::Bio encrypted(BIO_new(BIO_s_mem()));
    unsigned char word[] = "word";
    REQUIRE(PEM_ASN1_write_bio(reinterpret_cast<i2d_of_void*>(&i2d_X509), PEM_STRING_X509, encrypted.get(), plain.get(), EVP_aes_128_cbc(), word, 4,
                               nullptr, nullptr) == 1);
    // A user's pass phrase is nobody's business here, and nobody is asked for it.
    CHECK(pilvi::testing::unattended("word\n", [&] { return !x509_fingerprint(pilvi::pki::written(encrypted.get())); }));

    CHECK_THROWS_AS(generate_x509(std::string(65, 'u')), pilvi::Error);
    CHECK_FALSE(x509_fingerprint("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
}
