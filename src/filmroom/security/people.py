"""Everything about who somebody is, put together."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from filmroom.base.clock import Clock
from filmroom.db.pool import Database
from filmroom.security.accounts import Accounts
from filmroom.security.duties import Duties
from filmroom.security.lockout import Attempts
from filmroom.security.model import Account, SignInRefused
from filmroom.security.passkeys import Passkeys
from filmroom.security.passwords import Hasher, Passwords
from filmroom.security.ports import Auditing, Dresses, NoAudit, as_is
from filmroom.security.questions import Questions
from filmroom.security.sealing import Sealing
from filmroom.security.second import SecondPerson
from filmroom.security.sessions import Sessions
from filmroom.security.signin import DirectoryRules, SignIn
from filmroom.security.tokens import Tokens
from filmroom.security.totp import Totp
from filmroom.security.vouching import Vouching
from filmroom.settings import Settings

KEY_FILE = "sealing.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The parts, which know each other."""

    accounts: Accounts
    sign_in: SignIn
    sessions: Sessions
    tokens: Tokens
    totp: Totp
    passkeys: Passkeys
    questions: Questions
    vouching: Vouching
    attempts: Attempts
    dress: Dresses

    async def identify(self, name: str, password: str, peer: str, method: str = "dicom") -> Account:
        """Who signs in with nothing but a password: a program, or the user of an association.

        Raises SignInRefused also for an account that a password alone must not open.
        """
        account = await self.sign_in.by_password(name, password, peer)
        if self.sessions.demands_factor(account):
            raise SignInRefused("this account has a second factor: a program signs in with a token")
        if account.must_change and method == "dicom":
            raise SignInRefused("the password must be changed first")
        await self.sign_in.entered(account, peer, method)
        return account

    @classmethod
    def of(
        cls,
        database: Database,
        clock: Clock,
        settings: Settings,
        *,
        passwords: Hasher | None = None,
        directory: DirectoryRules | None = None,
        audit: Auditing | None = None,
        dress: Dresses = as_is,
        second: SecondPerson | None = None,
    ) -> "People":
        """All of it. Raises BadKey."""
        audit = audit or NoAudit()
        passwords = passwords or Passwords()
        people = settings.people
        key = Path(people.sealing_key) if people.sealing_key else settings.data / KEY_FILE
        duties = Duties(separate=settings.security.separate_duties)
        accounts = Accounts(database, clock, passwords, people, audit, duties=duties, second=second)
        questions = Questions(database, clock)
        vouching = Vouching(database, accounts, audit)
        lasts = timedelta(hours=settings.web.session_hours)
        made = cls(
            accounts=accounts,
            sign_in=SignIn(database, clock, accounts, passwords, vouching, audit, directory),
            sessions=Sessions(database, clock, accounts, people, audit, lasts=lasts, dress=dress),
            tokens=Tokens(database, clock, audit, dress=dress, separate=duties.separate),
            totp=Totp(database, clock, accounts, Sealing.of(key), audit),
            passkeys=Passkeys(database, clock, accounts, questions, audit),
            questions=questions,
            vouching=vouching,
            attempts=Attempts(database, clock),
            dress=dress,
        )
        accounts.on_change += [made.sessions.forget, made.tokens.forget]
        return made
