import Support
import Testing

@testable import TLS

@Suite struct CertificateAuthorityTests {
    @Test func anAuthorityCanBeReadAgain() throws {
        let made = try CertificateAuthority(name: "test", validity: .init(days: 1)).pem()
        let read = try CertificateAuthority(made)
        #expect(try read.pem().certificate == made.certificate)
        #expect(String(decoding: made.key, as: UTF8.self).hasPrefix("-----BEGIN PRIVATE KEY-----"))
    }

    @Test func whatIsNoAuthorityIsRefused() throws {
        let first = try CertificateAuthority(name: "first", validity: .init(days: 1))
        let second = try CertificateAuthority(name: "second", validity: .init(days: 1)).pem()
        let agent = try first.agent(name: "n1", validity: .init(days: 1))
        var mixed = try first.pem()
        mixed.key = second.key
        for pem in [agent, mixed] {
            #expect { _ = try CertificateAuthority(pem) } throws: { "\($0)".contains("not those of one authority") }
        }
        let garbage = CertificateAndKey(certificate: [1, 2, 3], key: [])
        #expect { _ = try CertificateAuthority(garbage) } throws: { "\($0)".contains("cannot be read") }
    }

    @Test(arguments: [
        ("worker-1.example", true), ("10.0.0.7", true), ("::1", true), ("", false), ("a,DNS:b", false), ("a b", false),
        ("-a", false), ("ä", false), ("a:b", false), ("a\n", false),
    ])
    func hostsAreNamesOrAddressesAndNothingElse(text: String, isHost: Bool) {
        #expect(CertificateAuthority.isHost(text) == isHost)
    }

    @Test func namesOfAgentsFitIntoACertificate() {
        #expect(CertificateAuthority.isAgentName(String(repeating: "a", count: 64)))
        #expect(!CertificateAuthority.isAgentName(String(repeating: "a", count: 65)))
        #expect(!CertificateAuthority.isAgentName("a,IP:1.2.3.4"))
    }
}
