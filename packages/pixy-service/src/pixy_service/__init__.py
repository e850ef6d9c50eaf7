"""PixyProxy's service layer: public and private images, users, generation.

Applications import from here. It needs no web framework and knows no HTTP.

- Start: `open_services` opens `Services`. `prepare_stores` and `upgrade_database` create folders
  and tables without opening anything; `locate_database` returns the `DatabaseLocation` of a URL.
- Generators: `SketchGenerator`, `OpenAIGenerator`, or a class of your own that implements
  `ImageGenerator` and returns a `GeneratedImage`. Their constants: `DEFAULT_OPENAI_MODEL`,
  `DEFAULT_OPENAI_BASE_URL`, `CLIENT_VARIABLES`, `MAX_PARTIALS`.
- Images: `PublicImageService`, `PrivateImageService`, both an `ImageServiceInterface`. They return
  `ImagePage`, `ImageFile`, `ContentFile`, `PartialImage`; of creations `Submission`, `Created`,
  `CreationPage`.
- Users: `UserService`, a `UserServiceInterface`; `CredentialService` checks `Credentials` and
  limits wrong ones by a `SignInRule`. `open_users` opens users alone.
- Rules of arguments: `Limits`, `MAX_PAGE_SIZE`, `THUMBNAIL_WIDTHS`, `THUMBNAIL_TYPES`,
  `IDEMPOTENCY_KEY_PATTERN`, `validate_guid`.
- Maintenance: `open_checker`, `open_backup` and `open_restore` open `StoreChecker`, `StoreBackup`
  and `StoreRestore`. They report each `Finding` with its `FindingKind`. `RepairRefusedError` means
  that files are there and all rows are lost.
- asyncio: `QueryRunner` is the type of what `Services.make_query_runner` takes and returns.
"""

from pixy_data import (
    ContentFile,
    DatabaseLocation,
    PartialImage,
    QueryRunner,
    locate_database,
)
from pixy_service.accounts.passwords import Credentials, CredentialService
from pixy_service.accounts.sign_in_limit import SignInRule
from pixy_service.accounts.users import UserService
from pixy_service.backups.backup import StoreBackup
from pixy_service.backups.restore import StoreRestore
from pixy_service.checking import Finding, FindingKind, RepairRefusedError, StoreChecker
from pixy_service.creation.results import Created, CreationPage, Submission
from pixy_service.generators.interface import MAX_PARTIALS, GeneratedImage, ImageGenerator
from pixy_service.generators.openai.client_settings import (
    CLIENT_VARIABLES,
    DEFAULT_OPENAI_BASE_URL,
)
from pixy_service.generators.openai.generator import DEFAULT_OPENAI_MODEL, OpenAIGenerator
from pixy_service.generators.sketch.generator import SketchGenerator
from pixy_service.images.private import PrivateImageService
from pixy_service.images.public import PublicImageService
from pixy_service.images.reading import ImageFile, ImagePage
from pixy_service.interfaces import ImageServiceInterface, UserServiceInterface
from pixy_service.opening import (
    open_backup,
    open_checker,
    open_restore,
    open_services,
    open_users,
    prepare_stores,
    upgrade_database,
)
from pixy_service.pixels.shrinking import THUMBNAIL_TYPES, THUMBNAIL_WIDTHS
from pixy_service.services import Services
from pixy_service.validation import IDEMPOTENCY_KEY_PATTERN, MAX_PAGE_SIZE, Limits, validate_guid

__all__ = [
    "CLIENT_VARIABLES",
    "DEFAULT_OPENAI_BASE_URL",
    "DEFAULT_OPENAI_MODEL",
    "IDEMPOTENCY_KEY_PATTERN",
    "MAX_PAGE_SIZE",
    "MAX_PARTIALS",
    "THUMBNAIL_TYPES",
    "THUMBNAIL_WIDTHS",
    "ContentFile",
    "Created",
    "CreationPage",
    "CredentialService",
    "Credentials",
    "DatabaseLocation",
    "Finding",
    "FindingKind",
    "GeneratedImage",
    "ImageFile",
    "ImageGenerator",
    "ImagePage",
    "ImageServiceInterface",
    "Limits",
    "OpenAIGenerator",
    "PartialImage",
    "PrivateImageService",
    "PublicImageService",
    "QueryRunner",
    "RepairRefusedError",
    "Services",
    "SignInRule",
    "SketchGenerator",
    "StoreBackup",
    "StoreChecker",
    "StoreRestore",
    "Submission",
    "UserService",
    "UserServiceInterface",
    "locate_database",
    "open_backup",
    "open_checker",
    "open_restore",
    "open_services",
    "open_users",
    "prepare_stores",
    "upgrade_database",
    "validate_guid",
]
